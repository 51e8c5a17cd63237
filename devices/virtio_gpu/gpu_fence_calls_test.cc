// How many system calls a fence costs from its fd's signal to the interrupt:
// those of the fence thread, and one for the interrupt, which a transport
// writes to an eventfd.

#include <cstddef>
#include <cstdint>

#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/fence_thread.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

constexpr int kInterrupt = 1;

class GpuFenceCallsTest : public testing::Test {
 protected:
  GpuFenceCallsTest() {
    g_.CreateContext(1);
    AwaitWaits(1);
  }

  // The fence thread has gone to wait `count` times.
  void AwaitWaits(int count) {
    FenceThread::AwaitWaits(waits_before_ + count);
    EXPECT_EQ(FenceThread::waits(), waits_before_ + count);
  }
  void Start(size_t fences) {
    for (uint64_t id = 0; id < fences; ++id) g_.Submit(g_.Work(1, 1, id));
    g_.Kick();
    g_.gpu().WaitFences(fences);
    // Watched, too.
    g_.Call(Request(wire::Type::kGetDisplayInfo));
  }

  const int waits_before_ = FenceThread::waits();
  GpuDriver g_;
};

TEST_F(GpuFenceCallsTest, AloneAtMostSix) {
  constexpr int kFences = 20;
  Start(kFences);
  const int before = FenceThread::calls();
  for (int i = 0; i < kFences; ++i) {
    g_.gpu().SignalFence(i);
    g_.WaitFenceId();
    AwaitWaits(2 + i);
  }
  const int calls = FenceThread::calls() - before;
  RecordProperty("calls", calls);
  EXPECT_LE(calls, kFences * (6 - kInterrupt));
}

TEST_F(GpuFenceCallsTest, InABatchOf16AtMostTwoEach) {
  constexpr int kBatch = 16;
  Start(1 + kBatch);
  FenceThread::Hold();
  g_.gpu().SignalFence(0);
  AwaitWaits(2);
  // With the wait that finds the batch, without the one behind it.
  const int before = FenceThread::calls() - 1;
  for (int i = 0; i < kBatch; ++i) g_.gpu().SignalFence(1 + i);
  FenceThread::Release();
  AwaitWaits(3);
  EXPECT_EQ(g_.stats().fences_completed.value(), 1u + kBatch);
  const int calls = FenceThread::calls() - 1 - before + kInterrupt;
  RecordProperty("calls", calls);
  EXPECT_LE(calls, 2 * kBatch);
}

}  // namespace
}  // namespace nacre::virtio_gpu
