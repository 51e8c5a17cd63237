#include "tools/guest_kernel/one_shot.h"

#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::guest_kernel {
namespace {

using Clock = std::chrono::steady_clock;
using Outcome = OneShot::Outcome;

TEST(OneShotTest, WhatIsSetIsNotWaitedFor) {
  OneShot event;
  EXPECT_FALSE(event.is_set());
  event.Set();
  EXPECT_TRUE(event.is_set());
  EXPECT_EQ(event.Wait(), Outcome::kAtOnce);
  EXPECT_EQ(event.Wait(Clock::now()), Outcome::kAtOnce);
}

TEST(OneShotTest, DeadlinesPass) {
  OneShot event;
  EXPECT_EQ(event.Wait(Clock::time_point()), Outcome::kTimedOut);
  EXPECT_EQ(event.Wait(Clock::now() - std::chrono::seconds(1)),
            Outcome::kTimedOut);
  const auto deadline = Clock::now() + std::chrono::milliseconds(2);
  EXPECT_EQ(event.Wait(deadline), Outcome::kTimedOut);
  EXPECT_GE(Clock::now(), deadline);
}

TEST(OneShotTest, SetWakesAllAndPublishes) {
  OneShot event;
  int value = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&event, &value] {
      EXPECT_NE(event.Wait(Clock::now() + std::chrono::seconds(30)),
                Outcome::kTimedOut);
      EXPECT_EQ(value, 1);
    });
  }
  value = 1;
  event.Set();
  for (std::thread& waiter : waiters) waiter.join();
}

}  // namespace
}  // namespace nacre::guest_kernel
