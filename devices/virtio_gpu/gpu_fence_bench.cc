// What a fence costs from its fd's signal to the interrupt: one that comes
// alone, and 16 that the fence thread finds at once. Time until the thread goes
// back to wait; system calls as gpu_fence_calls_test.cc counts them, with one
// for each interrupt, which a transport writes to an eventfd.

#include <chrono>
#include <cstdint>

#include "base/testing/allocations.h"
#include "benchmark/benchmark.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/fence_thread.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {
namespace {

using Clock = std::chrono::steady_clock;

void BM_Fence(benchmark::State& state) {
  const auto batch = static_cast<int>(state.range(0));
  int waits = FenceThread::waits();
  GpuDriver g;
  g.CreateContext(1);
  FenceThread::AwaitWaits(++waits);
  uint64_t fence_id = 0;
  double calls = 0;
  double allocations = 0;
  double interrupts = 0;
  for ([[maybe_unused]] auto _ : state) {
    // One more wakes the thread, for it to find the others at once.
    const int first = batch > 1 ? 1 : 0;
    for (int i = 0; i < first + batch; ++i) {
      g.Submit(g.Work(1, 1, ++fence_id));
    }
    g.Kick();
    g.gpu().WaitFences(first + batch);
    // Watched, too.
    g.Call(Request(wire::Type::kGetDisplayInfo));
    if (first != 0) {
      FenceThread::Hold();
      g.gpu().SignalFence(0);
      FenceThread::AwaitWaits(++waits);
      g.WaitFenceId();  // The driver wants the next interrupt.
      for (int i = 0; i < batch; ++i) g.gpu().SignalFence(first + i);
    }
    const int calls_before = FenceThread::calls();
    const int64_t allocations_before = Allocations();
    const uint64_t interrupts_before = g.stats().interrupts.value();
    const auto start = Clock::now();
    if (first != 0) {
      FenceThread::Release();
    } else {
      g.gpu().SignalFence(0);
    }
    // The wait that ends is counted, the one that begins is not.
    FenceThread::AwaitWaits(++waits);
    state.SetIterationTime(
        std::chrono::duration<double>(Clock::now() - start).count());
    calls += FenceThread::calls() - calls_before;
    allocations += static_cast<double>(Allocations() - allocations_before);
    interrupts +=
        static_cast<double>(g.stats().interrupts.value() - interrupts_before);
    for (int i = 0; i < batch; ++i) g.WaitFenceId();
    g.gpu().FinishAll();
  }
  const auto fences = static_cast<double>(state.iterations()) * batch;
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["calls/fence"] = (calls + interrupts) / fences;
  state.counters["irqs/fence"] = interrupts / fences;
  state.counters["allocations/fence"] = allocations / fences;
  state.counters["time/fence"] = benchmark::Counter(
      fences, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Fence)->ArgName("batch")->Arg(1)->Arg(16)->UseManualTime();

}  // namespace
}  // namespace nacre::virtio_gpu

BENCHMARK_MAIN();
