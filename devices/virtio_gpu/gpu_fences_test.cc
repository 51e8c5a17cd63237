#include <cerrno>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/testing/host_faults.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/open_fds.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// Fences from the descriptor to the used ring (virtio 1.3, 5.7.6.7: a response
// with a fence id says that everything up to it is done).
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

class GpuFencesTest : public testing::Test {
 protected:
  GpuFencesTest() { g_.CreateContext(1); }

  // Everything submitted before this has been executed.
  void Barrier() {
    EXPECT_EQ(g_.Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  }
  // A SUBMIT_3D without work of its own.
  Request Empty(uint32_t ctx_id, uint8_t ring, uint64_t fence_id) {
    return SubmitRequest(ctx_id, {}).Fence(fence_id, ring);
  }

  GpuDriver g_;
};

TEST_F(GpuFencesTest, RingsCompleteInAnyOrderAmongThemselves) {
  g_.Start(g_.Work(1, 1, 11));
  g_.Start(g_.Work(1, 2, 12));
  g_.gpu().WaitFences(2);
  g_.gpu().SignalFence(1);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
}

TEST_F(GpuFencesTest, OneRingCompletesInOrderWhateverFiresFirst) {
  g_.Start(g_.Work(1, 1, 11));
  g_.Start(g_.Work(1, 1, 12));
  g_.gpu().WaitFences(2);
  g_.gpu().SignalFence(1);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
}

TEST_F(GpuFencesTest, TwoFencesBehindOneSubmitCompleteTogether) {
  g_.Submit(g_.Work(1, 1, 11));
  g_.Submit(Empty(1, 1, 12));
  // A ring without work is not held up.
  g_.Submit(Empty(1, 2, 13));
  g_.Kick();
  EXPECT_EQ(g_.WaitFenceId(), 13u);
  EXPECT_EQ(g_.stats().fences_completed.value(), 1u);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
}

TEST_F(GpuFencesTest, TheContextHearsOfItsFencesBeforeTheGuest) {
  g_.Start(g_.Work(1, 1, 11));
  g_.gpu().WaitFences(1);
  EXPECT_EQ(g_.gpu().fences_told(), 0);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.gpu().fences_told(), 1);
  // One that never waited for the GPU is no news.
  g_.Start(Empty(1, 1, 12));
  EXPECT_EQ(g_.WaitFenceId(), 12u);
  EXPECT_EQ(g_.gpu().fences_told(), 1);
}

// The observer outlives the context for as long as its fences do.
TEST_F(GpuFencesTest, FencesOfADestroyedContextAreStillTold) {
  g_.Start(g_.Work(1, 1, 11));
  g_.gpu().WaitFences(1);
  EXPECT_EQ(g_.Call(Request(Type::kCtxDestroy).Context(1)), Type::kOkNodata);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.gpu().fences_told(), 1);
}

TEST_F(GpuFencesTest, TheGlobalTimelineIsOneForAllContexts) {
  g_.CreateContext(2);
  const FakeGpu::FakeCommand work = {FakeGpu::Op::kWork, 0};
  g_.Submit(SubmitRequest(1, AsBytes(work)).Fence(11));
  g_.Submit(SubmitRequest(2, {}).Fence(12));
  g_.Submit(Request(Type::kGetDisplayInfo).Fence(13));
  g_.Submit(Empty(2, 0, 14));
  g_.Kick();
  // Rings have nothing to do with it.
  EXPECT_EQ(g_.WaitFenceId(), 14u);
  EXPECT_TRUE(g_.Idle());
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
  EXPECT_EQ(g_.WaitFenceId(), 13u);
}

TEST_F(GpuFencesTest, AnErrorKeepsItsPlaceInTheTimeline) {
  const FakeGpu::FakeCommand fail = {FakeGpu::Op::kFail, 0};
  g_.Submit(g_.Work(1, 1, 11));
  g_.Submit(SubmitRequest(1, AsBytes(fail)).Fence(12, 1));
  g_.Kick();
  g_.gpu().WaitFences(1);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  const virtio::UsedChain used = g_.driver().WaitUsed(wire::kControlQueue);
  const auto header =
      ByteReader(used.response).ReadZeroExtended<wire::CtrlHeader>();
  EXPECT_EQ(header.fence_id, 12u);
  EXPECT_EQ(static_cast<Type>(header.type), Type::kErrInvalidParameter);
}

TEST_F(GpuFencesTest, AFenceThatCannotBeMadeIsNotLost) {
  g_.gpu().FailWith(absl::ResourceExhaustedError("no fds"));
  EXPECT_EQ(g_.Call(g_.Work(1, 1, 11)), Type::kOkNodata);
}

// Else the guest would use again what the GPU is working on.
TEST_F(GpuFencesTest, AFenceThatEpollRefusesWaitsForItsWork) {
  Barrier();
  {
    // Behind the two calls of the fake GPU that make the fence.
    const HostFault fault({.first = 2, .repeatedly = true, .error = ENOSPC});
    g_.Start(g_.Work(1, 1, 11));
    Barrier();
    ASSERT_EQ(fault.failed(), "epoll_ctl(0)");
  }
  Barrier();
  EXPECT_EQ(g_.gpu().fences_told(), 0);
  EXPECT_EQ(g_.stats().fences_pending.value(), 1u);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.gpu().fences_told(), 1);
}

TEST_F(GpuFencesTest, AnFdThatCannotBePolledHoldsNobodyUp) {
  g_.Start(g_.Work(1, 1, 11));
  g_.gpu().WaitFences(1);
  g_.gpu().BreakFences();
  g_.Start(g_.Work(1, 1, 12));
  Barrier();
  EXPECT_TRUE(g_.Idle());  // Even so it keeps its place.
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
}

TEST_F(GpuFencesTest, RefusesARingBeyondTheLastAndEchoesItsFence) {
  EXPECT_EQ(g_.Call(Empty(1, 63, 11)), Type::kOkNodata);
  EXPECT_EQ(g_.Call(Empty(1, 64, 12)), Type::kErrInvalidParameter);
  EXPECT_EQ(g_.Call(Empty(1, 255, 13)), Type::kErrInvalidParameter);
}

TEST_F(GpuFencesTest, AFenceOnAContextThatDoesNotExistIsAnsweredWithAnError) {
  EXPECT_EQ(g_.Call(Empty(99, 1, 11)), Type::kErrInvalidContextId);
  EXPECT_EQ(g_.Call(SubmitRequest(99, {}).Fence(12)),
            Type::kErrInvalidContextId);
}

// Nothing waits for the GPU, and nothing of it stays once the GPU is done.
TEST_F(GpuFencesTest, DestroyingAContextLeavesItsFencesPending) {
  const size_t fds = OpenFds();
  g_.Start(g_.Work(1, 1, 11));
  g_.gpu().WaitFences(1);
  EXPECT_EQ(g_.Call(Request(Type::kCtxDestroy).Context(1)), Type::kOkNodata);
  EXPECT_TRUE(g_.gpu().contexts().empty());
  EXPECT_EQ(g_.stats().fences_pending.value(), 1u);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.stats().fences_pending.value(), 0u);
  EXPECT_TRUE(AwaitOpenFds(fds + 1));  // The fake GPU's own end.
}

TEST_F(GpuFencesTest, ANewContextOfTheSameIdDoesNotWaitForTheOldOne) {
  g_.Start(g_.Work(1, 1, 11));
  g_.gpu().WaitFences(1);
  EXPECT_EQ(g_.Call(Request(Type::kCtxDestroy).Context(1)), Type::kOkNodata);
  g_.CreateContext(1);
  EXPECT_EQ(g_.Call(Empty(1, 1, 12)), Type::kOkNodata);
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
}

// A destroy with a fence of its own context's ring stands behind the earlier.
TEST_F(GpuFencesTest, AFencedDestroyCompletesBehindTheContextsWork) {
  g_.Submit(g_.Work(1, 1, 11));
  g_.Submit(Request(Type::kCtxDestroy).Context(1).Fence(12, 1));
  g_.Kick();
  g_.gpu().WaitFences(1);
  Barrier();
  EXPECT_TRUE(g_.Idle());
  g_.gpu().SignalFence(0);
  EXPECT_EQ(g_.WaitFenceId(), 11u);
  EXPECT_EQ(g_.WaitFenceId(), 12u);
}

// 2.7.10: one notification is enough for all that completed together.
TEST_F(GpuFencesTest, InterruptsOnceForABatchThatCompletesTogether) {
  g_.Submit(g_.Work(1, 1, 11));
  for (uint64_t id = 12; id < 32; ++id) g_.Submit(Empty(1, 1, id));
  g_.Kick();
  Barrier();
  const int before = g_.driver().interrupts(wire::kControlQueue);
  g_.gpu().SignalFence(0);
  for (uint64_t id = 11; id < 32; ++id) EXPECT_EQ(g_.WaitFenceId(), id);
  // One for them all; the barrier's own may have been counted late.
  EXPECT_LE(g_.driver().interrupts(wire::kControlQueue), before + 2);
}

// As many as the ring has slots; then the driver itself has to wait.
TEST_F(GpuFencesTest, HoldsAFullRingOfPendingFences) {
  const size_t fds = OpenFds();
  const auto count = g_.device().max_queue_sizes()[wire::kControlQueue];
  for (uint64_t i = 0; i < count; ++i) g_.Submit(g_.Work(1, i % 64, i));
  g_.Kick();
  g_.gpu().WaitFences(count);
  for (uint64_t i = 0; i < count; ++i) g_.gpu().SignalFence(count - 1 - i);
  for (uint64_t i = 0; i < count; ++i) g_.WaitFenceId();
  EXPECT_EQ(g_.stats().fences_completed.value(), count);
  EXPECT_EQ(g_.stats().fences_pending.value(), 0u);
  EXPECT_TRUE(AwaitOpenFds(fds + count));  // The fake GPU's own ends.
}

TEST(GpuFencesFeatureTest, WithoutContextInitARingIsNotLookedAt) {
  virtio::FakeDriver::Options options;
  options.features = ~wire::kFeatureContextInit;
  GpuDriver g(GpuDriver::DefaultConfig(), options);
  const std::vector<uint8_t> response = g.CallBytes(
      Request(Type::kGetDisplayInfo).Fence(5, 200), sizeof(wire::CtrlHeader));
  const auto header = ByteReader(response).ReadZeroExtended<wire::CtrlHeader>();
  EXPECT_EQ(static_cast<Type>(header.type), Type::kOkDisplayInfo);
  EXPECT_EQ(header.flags, wire::kFlagFence);
  EXPECT_EQ(header.fence_id, 5u);
}

}  // namespace
}  // namespace nacre::virtio_gpu
