#include "simulator/submit_queue.h"

#include <cerrno>
#include <memory>

#include "base/errno_status.h"
#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

std::shared_ptr<Fence> NewFence() { return std::make_shared<Fence>(0); }

TEST(SubmitQueueTest, NumbersBelowTheLastThatAreNotInFlightAreDone) {
  SubmitQueue queue(0);
  ASSERT_TRUE(queue.Arm(5, NewFence()).ok());
  EXPECT_TRUE(queue.Wait(4).ok());
  EXPECT_EQ(StatusErrno(queue.Wait(5)), ETIMEDOUT);
  EXPECT_EQ(StatusErrno(queue.Wait(6)), EINVAL);
  queue.Retire(5);
  EXPECT_TRUE(queue.Wait(5).ok());
}

TEST(SubmitQueueTest, ASignalledFenceIsDoneBeforeItIsRetired) {
  SubmitQueue queue(0);
  const std::shared_ptr<Fence> fence = NewFence();
  ASSERT_TRUE(queue.Arm(1, fence).ok());
  fence->MarkSignalled();
  EXPECT_TRUE(queue.Wait(1).ok());
}

// Guests count to INT32_MAX, then from 1 again.
TEST(SubmitQueueTest, NumbersStartAgain) {
  SubmitQueue queue(0);
  ASSERT_TRUE(queue.Arm(INT32_MAX, NewFence()).ok());
  EXPECT_EQ(StatusErrno(queue.Arm(INT32_MAX, NewFence())), EINVAL);
  ASSERT_TRUE(queue.Arm(1, NewFence()).ok());
  EXPECT_EQ(StatusErrno(queue.Wait(1)), ETIMEDOUT);
  EXPECT_EQ(StatusErrno(queue.Wait(2)), EINVAL);
}

TEST(SubmitQueueTest, ChosenNumbersPassThoseInFlight) {
  SubmitQueue queue(0);
  EXPECT_EQ(queue.ArmNext(NewFence()), 1u);
  ASSERT_TRUE(queue.Arm(2, NewFence()).ok());
  EXPECT_EQ(queue.ArmNext(NewFence()), 3u);
  EXPECT_EQ(StatusErrno(queue.Wait(3)), ETIMEDOUT);
  EXPECT_EQ(StatusErrno(queue.Wait(4)), EINVAL);
  queue.Retire(1);
  EXPECT_EQ(queue.ArmNext(NewFence()), 4u);
}

TEST(SubmitQueueTest, ZeroIsNoNumber) {
  SubmitQueue queue(0);
  EXPECT_EQ(StatusErrno(queue.Arm(0, NewFence())), EINVAL);
  EXPECT_TRUE(queue.Wait(0).ok());
}

}  // namespace
}  // namespace nacre::simulator
