#include "base/counter.h"

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

}  // namespace
}  // namespace nacre
