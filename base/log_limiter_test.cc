#include "base/log_limiter.h"

#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(LogLimiterTest, AllowsTheFirstLinesAndNoMore) {
  LogLimiter limiter(3);
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limiter.Allow() ? 1 : 0;
  EXPECT_EQ(allowed, 3);
}

TEST(LogLimiterTest, ZeroAllowsNothing) {
  LogLimiter limiter(0);
  EXPECT_FALSE(limiter.Allow());
  EXPECT_FALSE(limiter.Allow());
}

}  // namespace
}  // namespace nacre
