// What a submission costs, and how fast streams run.

#include <cstdint>
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

// From GEM_SUBMIT until its fence is readable, with so many buffers listed
// (turnip lists all of the device's).
void BM_SubmitAndWait(benchmark::State& state) {
  const auto device = SimulatedDevice::Create({}).value();
  Client client(*device);
  for (int64_t i = 0; i < state.range(0); ++i) client.NewBuffer();
  const ClientBuffer commands = client.NewBuffer();
  commands.Write(Stream().Store(commands.iova + 64, 1));
  for (auto _ : state) WaitFor(client.TrySubmit(commands, 4).value());
}
BENCHMARK(BM_SubmitAndWait)->Arg(1)->Arg(100)->Arg(1000)->UseRealTime();

// As above without waiting in between: what the caller's thread pays.
void BM_Submit(benchmark::State& state) {
  const auto device = SimulatedDevice::Create({}).value();
  Client client(*device);
  const ClientBuffer commands = client.NewBuffer();
  commands.Write(Stream().Store(commands.iova + 64, 1));
  int64_t pending = 0;
  for (auto _ : state) {
    Fd fence = client.TrySubmit(commands, 4).value();
    if (++pending % 64 == 0) {
      state.PauseTiming();
      WaitFor(fence);
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_Submit)->UseRealTime();

// A stream of register writes and stores, as a frame's state is.
void BM_Packets(benchmark::State& state) {
  constexpr int64_t kPackets = 100'000;
  const auto device = SimulatedDevice::Create({}).value();
  Client client(*device);
  const ClientBuffer target = client.NewBuffer();
  Stream stream;
  for (int64_t i = 0; i < kPackets / 2; ++i) {
    stream.Registers(0x8c20, {1, 2, 3, 4}).Store(target.iova, 1);
  }
  const ClientBuffer commands = client.NewBuffer(4 * stream.dwords().size());
  commands.Write(stream);
  for (auto _ : state) {
    WaitFor(client.TrySubmit(commands, stream.dwords().size()).value());
  }
  state.SetItemsProcessed(state.iterations() * kPackets);
}
BENCHMARK(BM_Packets)->UseRealTime();

void BM_AllocateAndFree(benchmark::State& state) {
  const auto device = SimulatedDevice::Create({}).value();
  const auto file = device->Open().value();
  for (auto _ : state) {
    const uint32_t handle = file->GemNew(65536, msm::MSM_BO_WC).value();
    benchmark::DoNotOptimize(file->GemSetIova(handle, 0x100000000).ok());
    benchmark::DoNotOptimize(file->GemClose(handle).ok());
  }
}
BENCHMARK(BM_AllocateAndFree);

}  // namespace
}  // namespace nacre::simulator

BENCHMARK_MAIN();
