// What a command costs from the kick to its entry in the used ring, through the
// real queue and the device thread, with a context that does nothing.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "benchmark/benchmark.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {
namespace {

using Clock = std::chrono::steady_clock;

// How long the thread named `name` has been running on a CPU, in nanoseconds:
// right on a busy machine, too.
double ThreadNanoseconds(const std::string& name) {
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::string found;
    std::getline(std::ifstream(task.path() / "comm"), found);
    if (found != name) continue;
    double nanoseconds = 0;
    std::ifstream(task.path() / "schedstat") >> nanoseconds;
    return nanoseconds;
  }
  return 0;
}

enum Kind { kPlain, kFenced, kWaiting };

Request MakeRequest(GpuDriver& g, Kind kind, uint64_t fence_id) {
  switch (kind) {
    case kPlain:
      return SubmitRequest(1, {});
    case kFenced:
      return SubmitRequest(1, {}).Fence(fence_id, 1);
    case kWaiting:
      return g.Work(1, 1, fence_id);
  }
  return Request(wire::Type::kGetDisplayInfo);
}

// Batches of `batch` submissions with one kick each: the time for each.
void BM_Submit(benchmark::State& state) {
  const auto kind = static_cast<Kind>(state.range(0));
  const int64_t batch = state.range(1);
  GpuDriver g;
  g.CreateContext(1);
  auto& queue = g.driver().queue(wire::kControlQueue);
  uint64_t fence_id = 0;
  const double device_before = ThreadNanoseconds("gpu-device");
  const double reactor_before = ThreadNanoseconds("gpu-fences");
  for ([[maybe_unused]] auto _ : state) {
    for (int64_t i = 0; i < batch; ++i) {
      g.Submit(MakeRequest(g, kind, ++fence_id));
    }
    const auto end = static_cast<uint16_t>(queue.used_index() + batch);
    const auto start = Clock::now();
    g.Kick();
    if (kind == kWaiting) {
      g.gpu().WaitFences(batch);
      g.gpu().FinishAll();
    }
    while (queue.used_index() != end) {
    }
    state.SetIterationTime(
        std::chrono::duration<double>(Clock::now() - start).count());
    for (int64_t i = 0; i < batch; ++i) {
      g.driver().WaitUsed(wire::kControlQueue);
    }
  }
  state.SetItemsProcessed(state.iterations() * batch);
  const auto commands = static_cast<double>(state.iterations() * batch);
  state.counters["device_ns/cmd"] =
      (ThreadNanoseconds("gpu-device") - device_before) / commands;
  state.counters["reactor_ns/cmd"] =
      (ThreadNanoseconds("gpu-fences") - reactor_before) / commands;
  state.counters["kicks/cmd"] =
      static_cast<double>(g.stats().kicks.value()) / commands;
  state.counters["irqs/cmd"] =
      static_cast<double>(g.stats().interrupts.value()) / commands;
}
BENCHMARK(BM_Submit)
    ->ArgNames({"kind", "batch"})
    ->Args({kPlain, 1})
    ->Args({kPlain, 256})
    ->Args({kFenced, 256})
    ->Args({kWaiting, 1})
    ->Args({kWaiting, 256})
    ->UseManualTime();

}  // namespace
}  // namespace nacre::virtio_gpu

BENCHMARK_MAIN();
