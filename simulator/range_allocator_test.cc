#include "simulator/range_allocator.h"

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

TEST(RangeAllocatorTest, FreshSpaceIsHandedOutUpwards) {
  RangeAllocator ranges(0x1000, 0x4000);
  EXPECT_EQ(ranges.Allocate(0x1000), 0x1000u);
  EXPECT_EQ(ranges.Allocate(0x2000), 0x2000u);
  EXPECT_EQ(ranges.Allocate(0x1000), 0x4000u);
  EXPECT_EQ(ranges.Allocate(0x1000), std::nullopt);
}

TEST(RangeAllocatorTest, TakesTheSmallestHoleThatFits) {
  RangeAllocator ranges(0, 0x10000);
  ASSERT_TRUE(ranges.Reserve(0x2000, 0x1000));  // Holes: 2, then 13 pages.
  EXPECT_EQ(ranges.Allocate(0x3000), 0x3000u);
  EXPECT_EQ(ranges.Allocate(0x1000), 0x0u);
}

TEST(RangeAllocatorTest, RefusesOverlapOutsideAndWrap) {
  RangeAllocator ranges(0x1000, 0x4000);
  ASSERT_TRUE(ranges.Reserve(0x2000, 0x1000));
  EXPECT_FALSE(ranges.Reserve(0x2000, 0x1000));
  EXPECT_FALSE(ranges.Reserve(0x1000, 0x2000));
  EXPECT_FALSE(ranges.Reserve(0, 0x1000));
  EXPECT_FALSE(ranges.Reserve(0x4000, 0x2000));
  EXPECT_FALSE(ranges.Reserve(0x3000, UINT64_MAX - 0x1000));
  EXPECT_TRUE(ranges.Reserve(0x1000, 0x1000));
}

TEST(RangeAllocatorTest, FreedNeighboursMerge) {
  RangeAllocator ranges(0, 0x3000);
  ASSERT_TRUE(ranges.Reserve(0, 0x1000));
  ASSERT_TRUE(ranges.Reserve(0x1000, 0x1000));
  ASSERT_TRUE(ranges.Reserve(0x2000, 0x1000));
  ranges.Free(0, 0x1000);
  ranges.Free(0x2000, 0x1000);
  EXPECT_FALSE(ranges.Reserve(0, 0x3000));
  ranges.Free(0x1000, 0x1000);
  EXPECT_TRUE(ranges.Reserve(0, 0x3000));
}

}  // namespace
}  // namespace nacre::simulator
