// What one SUBMIT_3D costs from the guest's side: the guest's kernel, the
// queue, the device, the msm context, the simulated GPU and the way back.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "glog/logging.h"
#include "simulator/pm4.h"
#include "tools/guest_kernel/guest_machine.h"
#include "tools/guest_kernel/mesa_client.h"

namespace nacre::guest_kernel {
namespace {

class Guest {
 public:
  Guest() {
    auto machine = GuestMachine::Create({});
    CHECK(machine.ok()) << machine.status();
    machine_ = *std::move(machine);
    mesa_ = std::make_unique<MesaClient>(&machine_->gpu());
    before_ = counters().Named();
  }

  MesaClient& mesa() { return *mesa_; }
  const DriverCounters& counters() { return machine_->gpu().counters(); }

  // Bytes of a batch that is submitted again and again.
  std::vector<uint8_t> TakeBatch() {
    return std::exchange(mesa_->batch().bytes(), {});
  }
  std::vector<uint8_t> NopBatch() {
    mesa_->batch().Add(msm::MSM_CCMD_NOP, {});
    return TakeBatch();
  }
  // For the GPU, on ring 1: a command stream of one packet.
  std::vector<uint8_t> GpuBatch() {
    const uint32_t queue = mesa_->NewQueue(0);
    stream_ = mesa_->NewBuffer(4096);
    mesa_->Map(stream_);
    stream_.word(0) = simulator::EncodeCommand(simulator::Opcode::kNop, 1);
    mesa_->AddSubmit(queue, stream_, 2, {});
    return TakeBatch();
  }

  std::shared_ptr<Fence> Submit(const std::vector<uint8_t>& batch,
                                uint32_t ring) {
    auto fence = mesa_->context().Submit(batch, ring, /*fenced=*/true);
    CHECK(fence.ok());
    return *std::move(fence);
  }

  // The counts that grew, for each iteration.
  void Report(benchmark::State& state) {
    const auto after = counters().Named();
    for (size_t i = 0; i < after.size(); ++i) {
      if (after[i].first == "reaped_most") continue;
      const auto grown =
          static_cast<double>(after[i].second - before_[i].second);
      state.counters[after[i].first] =
          benchmark::Counter(grown, benchmark::Counter::kAvgIterations);
    }
    CHECK_EQ(mesa_->async_error(), 0u);
  }

 private:
  std::unique_ptr<GuestMachine> machine_;
  std::unique_ptr<MesaClient> mesa_;
  MesaClient::Buffer stream_;
  std::vector<std::pair<std::string, uint64_t>> before_;
};

// As Mesa's asynchronous requests: nobody waits, but for room in the ring.
void BM_Nop(benchmark::State& state) {
  Guest guest;
  const std::vector<uint8_t> batch = guest.NopBatch();
  for (auto _ : state) {
    CHECK(guest.mesa().context().Submit(batch, std::nullopt, false).ok());
  }
  guest.Submit(batch, MesaClient::kCpuRing)->Wait();
  guest.Report(state);
}
BENCHMARK(BM_Nop)->UseRealTime();

// As Mesa's synchronous requests.
void BM_NopRoundTrip(benchmark::State& state) {
  Guest guest;
  const std::vector<uint8_t> batch = guest.NopBatch();
  for (auto _ : state) guest.Submit(batch, MesaClient::kCpuRing)->Wait();
  guest.Report(state);
}
BENCHMARK(BM_NopRoundTrip)->UseRealTime();

// Work of the GPU, as many submissions at a time as the argument says.
void BM_GpuFences(benchmark::State& state) {
  Guest guest;
  std::vector<uint8_t> batch = guest.GpuBatch();
  std::deque<std::shared_ptr<Fence>> fences;
  uint32_t number = 0;
  for (auto _ : state) {
    // Those in flight have different ones.
    ++number;
    std::memcpy(batch.data() + offsetof(msm::msm_ccmd_gem_submit_req, fence),
                &number, sizeof(number));
    fences.push_back(guest.Submit(batch, 1));
    if (fences.size() < static_cast<size_t>(state.range(0))) continue;
    fences.front()->Wait();
    fences.pop_front();
  }
  for (const std::shared_ptr<Fence>& fence : fences) fence->Wait();
  guest.Report(state);
}
BENCHMARK(BM_GpuFences)->Arg(1)->Arg(2)->Arg(16)->UseRealTime();

// A buffer cache's miss: a buffer made, seen by the program, and let go.
void BM_Buffer(benchmark::State& state) {
  Guest guest;
  for (auto _ : state) {
    MesaClient::Buffer buffer = guest.mesa().NewBuffer(65536);
    guest.mesa().Map(buffer);
    guest.mesa().Close(std::move(buffer));
  }
  guest.Report(state);
}
BENCHMARK(BM_Buffer)->UseRealTime();

}  // namespace
}  // namespace nacre::guest_kernel

BENCHMARK_MAIN();
