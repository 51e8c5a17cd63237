#include "base/log_limiter.h"

#include <chrono>

#include "gtest/gtest.h"

namespace nacre {
namespace {

constexpr LogLimiter::Clock::time_point kStart{std::chrono::hours(1)};

int LinesOfAHundred(LogLimiter& limiter, LogLimiter::Clock::time_point now) {
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limiter.AllowAt(now) ? 1 : 0;
  return allowed;
}

TEST(LogLimiterTest, AllowsTheFirstLinesOfASecondAndNoMore) {
  LogLimiter limiter(3);
  EXPECT_EQ(LinesOfAHundred(limiter, kStart), 3);
  EXPECT_EQ(LinesOfAHundred(limiter, kStart + std::chrono::milliseconds(999)),
            0);
}

TEST(LogLimiterTest, AllowsThemAgainInTheNextSecond) {
  LogLimiter limiter(3);
  LinesOfAHundred(limiter, kStart);
  EXPECT_EQ(LinesOfAHundred(limiter, kStart + std::chrono::seconds(1)), 3);
  // A thread that read the clock before, and is late.
  EXPECT_EQ(LinesOfAHundred(limiter, kStart), 0);
  EXPECT_EQ(LinesOfAHundred(limiter, kStart + std::chrono::hours(9)), 3);
}

TEST(LogLimiterTest, ZeroAllowsNothing) {
  LogLimiter limiter(0);
  EXPECT_FALSE(limiter.Allow());
  EXPECT_FALSE(limiter.Allow());
}

}  // namespace
}  // namespace nacre
