#include "simulator/sampling.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

std::vector<uint32_t> Nearest(const Axis& axis) {
  std::vector<uint32_t> result;
  for (const Tap& tap : MakeTaps(axis, 0, axis.target)) {
    result.push_back(tap.first);
  }
  return result;
}

using Indices = std::vector<uint32_t>;

TEST(SamplingTest, SameSizeIsACopy) {
  EXPECT_EQ(
      Nearest({.size = 8, .start = 2 * 256, .extent = 4 * 256, .target = 4}),
      (Indices{2, 3, 4, 5}));
  EXPECT_EQ(Nearest({.size = 8,
                     .start = 2 * 256,
                     .extent = 4 * 256,
                     .target = 4,
                     .mirrored = true}),
            (Indices{5, 4, 3, 2}));
}

TEST(SamplingTest, NearestUpAndDown) {
  EXPECT_EQ(Nearest({.size = 2, .extent = 2 * 256, .target = 4}),
            (Indices{0, 0, 1, 1}));
  // Centres at 5/6, 15/6, 25/6.
  EXPECT_EQ(Nearest({.size = 5, .extent = 5 * 256, .target = 3}),
            (Indices{0, 2, 4}));
  // Centres at 1, 3: between two pixels.
  EXPECT_EQ(Nearest({.size = 4, .extent = 4 * 256, .target = 2}),
            (Indices{1, 3}));
  EXPECT_EQ(
      Nearest({.size = 5, .extent = 5 * 256, .target = 3, .mirrored = true}),
      (Indices{4, 2, 0}));
}

TEST(SamplingTest, EdgesRepeat) {
  EXPECT_EQ(
      Nearest({.size = 2, .start = -2 * 256, .extent = 6 * 256, .target = 6}),
      (Indices{0, 0, 0, 1, 1, 1}));
}

TEST(SamplingTest, LinearWeighsTheTwoNearest) {
  const std::vector<Tap> taps = MakeTaps(
      {.size = 2, .extent = 2 * 256, .target = 4, .linear = true}, 0, 4);
  // Centres at 1/4, 3/4, 5/4, 7/4; those of the source at 1/2, 3/2.
  const Tap expected[] = {
      {0, 0, 0.75f}, {0, 1, 0.25f}, {0, 1, 0.75f}, {1, 1, 0.25f}};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(taps[i].first, expected[i].first) << i;
    EXPECT_EQ(taps[i].second, expected[i].second) << i;
    EXPECT_EQ(taps[i].weight, expected[i].weight) << i;
  }
}

TEST(SamplingTest, LinearOfTheSameSizeIsACopy) {
  for (const Tap& tap :
       MakeTaps({.size = 64, .extent = 64 * 256, .target = 64, .linear = true},
                0, 64)) {
    EXPECT_EQ(tap.weight, 0);
  }
}

TEST(SamplingTest, APartIsThatPartOfTheWhole) {
  const Axis axis = {.size = 100,
                     .start = 77,
                     .extent = 20 * 256 + 13,
                     .target = 57,
                     .mirrored = true,
                     .linear = true};
  const std::vector<Tap> whole = MakeTaps(axis, 0, 57);
  const std::vector<Tap> part = MakeTaps(axis, 30, 5);
  for (size_t i = 0; i < part.size(); ++i) {
    EXPECT_EQ(part[i].first, whole[30 + i].first);
    EXPECT_EQ(part[i].weight, whole[30 + i].weight);
  }
}

// Whatever registers say: 25-bit coordinates, 15-bit sizes.
TEST(SamplingTest, ExtremesStayWithinTheSource) {
  constexpr int32_t kMost = (1 << 24) - 1;
  for (const bool linear : {false, true}) {
    for (const int32_t start : {-kMost - 1, 0, kMost}) {
      const Axis axis = {.size = 32767,
                         .start = start,
                         .extent = 2 * kMost + 257,
                         .target = 16384,
                         .linear = linear};
      for (const Tap& tap : MakeTaps(axis, 0, axis.target)) {
        ASSERT_LT(tap.first, axis.size);
        ASSERT_LT(tap.second, axis.size);
        ASSERT_GE(tap.weight, 0);
        ASSERT_LE(tap.weight, 1);
      }
    }
  }
}

}  // namespace
}  // namespace nacre::simulator
