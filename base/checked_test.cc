#include "base/checked.h"

#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(CheckedTest, AddAndMultiplyReportOverflow) {
  EXPECT_EQ(CheckedAdd(uint32_t{1}, 2), 3u);
  EXPECT_EQ(CheckedAdd(UINT32_MAX, 1), std::nullopt);
  EXPECT_EQ(CheckedMultiply(uint64_t{1} << 32, uint64_t{1} << 32),
            std::nullopt);
}

TEST(CheckedTest, RangeFitsDoesNotWrap) {
  EXPECT_TRUE(RangeFits(0, 16, 16));
  EXPECT_TRUE(RangeFits(16, 0, 16));
  EXPECT_FALSE(RangeFits(17, 0, 16));
  EXPECT_FALSE(RangeFits(UINT64_MAX, 2, 16));
  EXPECT_FALSE(RangeFits(8, UINT64_MAX, 16));
}

TEST(CheckedTest, RangesThatTouchDoNotOverlap) {
  EXPECT_FALSE(RangesOverlap(0, 4, 4, 4));
  EXPECT_TRUE(RangesOverlap(0, 5, 4, 4));
  EXPECT_TRUE(RangesOverlap(5, 1, 4, 4));
}

TEST(CheckedTest, AlignUp) {
  EXPECT_EQ(AlignDown(4095, 4096), 0u);
  EXPECT_EQ(AlignDown(8191, 4096), 4096u);
  EXPECT_EQ(AlignDown(UINT64_MAX, 4096), UINT64_MAX - 4095);
  EXPECT_EQ(CheckedAlignUp(1, 4096), 4096u);
  EXPECT_EQ(CheckedAlignUp(4096, 4096), 4096u);
  EXPECT_EQ(CheckedAlignUp(UINT64_MAX, 4096), std::nullopt);
}

}  // namespace
}  // namespace nacre
