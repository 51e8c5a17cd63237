#include "tools/guest_kernel/window_allocator.h"

#include <optional>

#include "gtest/gtest.h"

namespace nacre::guest_kernel {
namespace {

TEST(WindowAllocatorTest, FillsFromTheLowerEnd) {
  WindowAllocator window(100);
  EXPECT_EQ(window.Allocate(60), 0u);
  EXPECT_EQ(window.Allocate(40), 60u);
  EXPECT_EQ(window.Allocate(1), std::nullopt);
}

TEST(WindowAllocatorTest, TakesTheSmallestHoleThatFits) {
  WindowAllocator window(100);
  for (const uint64_t size : {30, 5, 10, 5}) {
    ASSERT_TRUE(window.Allocate(size).has_value());
  }
  window.Free(0, 30);
  window.Free(35, 10);
  // Holes: [0, 30), [35, 45), [50, 100).
  EXPECT_EQ(window.Allocate(8), 35u);
  EXPECT_EQ(window.Allocate(30), 0u);
  EXPECT_EQ(window.Allocate(31), 50u);
}

TEST(WindowAllocatorTest, HolesThatTouchBecomeOne) {
  WindowAllocator window(90);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(window.Allocate(30).has_value());
  window.Free(0, 30);
  window.Free(60, 30);
  EXPECT_EQ(window.Allocate(60), std::nullopt);
  window.Free(30, 30);
  EXPECT_EQ(window.Allocate(90), 0u);
}

TEST(WindowAllocatorTest, AWindowOfNothingHoldsNothing) {
  WindowAllocator window(0);
  EXPECT_EQ(window.Allocate(1), std::nullopt);
}

}  // namespace
}  // namespace nacre::guest_kernel
