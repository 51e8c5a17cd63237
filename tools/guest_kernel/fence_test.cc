#include "tools/guest_kernel/fence.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::guest_kernel {
namespace {

using Clock = std::chrono::steady_clock;

class FenceTest : public testing::Test {
 protected:
  std::shared_ptr<Fence> New(uint64_t context) {
    return std::make_shared<Fence>(context, &counters_);
  }
  std::shared_ptr<Fence> Emit(uint64_t context) {
    std::shared_ptr<Fence> fence = New(context);
    pending_.Emit(fence);
    return fence;
  }
  // The numbers of the fences that the return of `seqno` completes.
  std::vector<uint64_t> Complete(uint64_t seqno) {
    std::vector<std::shared_ptr<Fence>> done;
    pending_.Complete(seqno, done);
    std::vector<uint64_t> seqnos;
    for (const auto& fence : done) seqnos.push_back(fence->seqno());
    return seqnos;
  }

  DriverCounters counters_;
  PendingFences pending_;
};

using Seqnos = std::vector<uint64_t>;

TEST_F(FenceTest, NumbersCountUpOverAllTimelines) {
  EXPECT_EQ(Emit(1)->seqno(), 1u);
  EXPECT_EQ(Emit(2)->seqno(), 2u);
  EXPECT_EQ(Emit(1)->seqno(), 3u);
}

TEST_F(FenceTest, OneCompletesTheEarlierOnesOfItsTimeline) {
  for (const uint64_t context : {1, 2, 1, 2, 1}) Emit(context);
  EXPECT_EQ(Complete(3), (Seqnos{1, 3}));
  EXPECT_EQ(Complete(4), (Seqnos{2, 4}));
  EXPECT_EQ(Complete(5), (Seqnos{5}));
}

TEST_F(FenceTest, NumbersThatAreNotPendingCompleteNothing) {
  Emit(1);
  Emit(1);
  EXPECT_EQ(Complete(0), Seqnos());
  EXPECT_EQ(Complete(3), Seqnos());
  EXPECT_EQ(Complete(2), (Seqnos{1, 2}));
  // The earlier one's command comes back later.
  EXPECT_EQ(Complete(1), Seqnos());
}

TEST_F(FenceTest, PendingOnesAreHeldAndLetGo) {
  std::weak_ptr<Fence> weak = Emit(1);
  EXPECT_FALSE(weak.expired());
  EXPECT_EQ(Complete(1), (Seqnos{1}));
  EXPECT_TRUE(weak.expired());
}

TEST_F(FenceTest, CallbacksComeOnceInOrder) {
  const std::shared_ptr<Fence> fence = New(1);
  std::vector<int> calls;
  fence->OnSignal([&calls] { calls.push_back(1); });
  fence->OnSignal([&calls] { calls.push_back(2); });
  EXPECT_TRUE(calls.empty());
  fence->Signal();
  EXPECT_EQ(calls, (std::vector<int>{1, 2}));
  fence->OnSignal([&calls] { calls.push_back(3); });
  EXPECT_EQ(calls, (std::vector<int>{1, 2, 3}));
}

TEST_F(FenceTest, WaitsThatSleepAreCounted) {
  const std::shared_ptr<Fence> fence = New(1);
  EXPECT_FALSE(fence->Wait(Clock::now()));
  EXPECT_EQ(counters_.fence_waits.value(), 1u);
  std::thread signaller([&fence] { fence->Signal(); });
  EXPECT_TRUE(fence->Wait(Clock::now() + std::chrono::seconds(30)));
  signaller.join();
  const uint64_t waits = counters_.fence_waits.value();
  EXPECT_TRUE(fence->Wait());
  EXPECT_EQ(counters_.fence_waits.value(), waits);
}

TEST_F(FenceTest, WaitsEndBehindCallbacks) {
  const std::shared_ptr<Fence> fence = New(1);
  std::atomic<bool> called{false};
  fence->OnSignal([&called, &fence] {
    EXPECT_TRUE(fence->signalled());
    called = true;
  });
  std::thread signaller([&fence] { fence->Signal(); });
  EXPECT_TRUE(fence->Wait(Clock::now() + std::chrono::seconds(30)));
  EXPECT_TRUE(called);
  signaller.join();
}

TEST_F(FenceTest, NoCallbackIsLostWhereSignalAndRegistrationMeet) {
  for (int i = 0; i < 200; ++i) {
    const std::shared_ptr<Fence> fence = New(1);
    std::atomic<int> calls{0};
    std::thread signaller([&fence] { fence->Signal(); });
    fence->OnSignal([&calls] { ++calls; });
    signaller.join();
    EXPECT_EQ(calls, 1);
  }
}

}  // namespace
}  // namespace nacre::guest_kernel
