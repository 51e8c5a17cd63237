#include "base/counter.h"

#include <thread>

#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(CounterTest, CountsUp) {
  Counter counter;
  counter.Add();
  counter.Add(4);
  EXPECT_EQ(counter.value(), 5u);
}

TEST(GaugeTest, KeepsItsPeak) {
  Gauge gauge;
  gauge.Set(5);
  gauge.Add(4);
  gauge.Subtract(7);
  EXPECT_EQ(gauge.value(), 2u);
  EXPECT_EQ(gauge.peak(), 9u);
}

TEST(SharedGaugeTest, AddsUpToALimit) {
  SharedGauge gauge;
  EXPECT_TRUE(gauge.AddUpTo(10, 4));
  EXPECT_FALSE(gauge.AddUpTo(10, 7));
  EXPECT_FALSE(gauge.AddUpTo(10, UINT64_MAX));
  EXPECT_FALSE(gauge.AddUpTo(3));
  EXPECT_TRUE(gauge.AddUpTo(10, 6));
  EXPECT_FALSE(gauge.AddUpTo(10));
  EXPECT_EQ(gauge.value(), 10u);
  EXPECT_EQ(gauge.peak(), 10u);
}

TEST(SharedGaugeTest, ManyThreadsDoNotPassALimit) {
  constexpr int kTimes = 20000;
  SharedGauge gauge;
  const auto count = [&] {
    for (int i = 0; i < kTimes; ++i) {
      if (gauge.AddUpTo(3, 2)) gauge.Subtract(2);
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(gauge.value(), 0u);
  EXPECT_EQ(gauge.peak(), 2u);
}

// From two threads at the same time nothing is lost.
TEST(SharedCounterTest, CountsFromManyThreads) {
  constexpr int kTimes = 20000;
  SharedCounter counter;
  SharedGauge gauge;
  const auto count = [&] {
    for (int i = 0; i < kTimes; ++i) {
      counter.Add();
      gauge.Add(2);
      gauge.Subtract();
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(counter.value(), 2u * kTimes);
  EXPECT_EQ(gauge.value(), 2u * kTimes);
  EXPECT_GT(gauge.peak(), 2u * kTimes);
  EXPECT_LE(gauge.peak(), 2u * kTimes + 2);
}

}  // namespace
}  // namespace nacre
