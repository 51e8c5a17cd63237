#include "simulator/srgb.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

double ToSrgb(double linear) {
  return linear <= 0.0031308 ? linear * 12.92
                             : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
}

TEST(SrgbTest, KnownValues) {
  EXPECT_EQ(DecodeSrgb8(0), 0);
  EXPECT_EQ(DecodeSrgb8(255), 1);
  EXPECT_FLOAT_EQ(DecodeSrgb8(1), 1 / (255 * 12.92));
  EXPECT_NEAR(DecodeSrgb8(188), 0.5029, 0.0001);
  EXPECT_EQ(EncodeSrgb8(0.5f), 188u);
  EXPECT_EQ(EncodeSrgb8(0.2f), 124u);
}

TEST(SrgbTest, EveryCodeDecodesToItself) {
  for (uint32_t code = 0; code < 256; ++code) {
    EXPECT_EQ(EncodeSrgb8(DecodeSrgb8(code)), code);
  }
}

TEST(SrgbTest, EncodesToTheNearestCode) {
  for (int i = 0; i <= 1'000'000; ++i) {
    const auto linear = static_cast<float>(i * 1e-6);
    const double exact = ToSrgb(linear) * 255;
    // The two sections of the curve do not quite meet; ties.
    if (std::abs(exact - std::floor(exact) - 0.5) < 1e-3) continue;
    ASSERT_EQ(EncodeSrgb8(linear), std::lround(exact)) << linear;
  }
}

TEST(SrgbTest, ValuesAreClamped) {
  EXPECT_EQ(EncodeSrgb8(-1), 0u);
  EXPECT_EQ(EncodeSrgb8(1e30f), 255u);
  EXPECT_EQ(EncodeSrgb8(std::nextafterf(1, 0)), 255u);
  EXPECT_EQ(EncodeSrgb8(1e-40f), 0u);
  EXPECT_EQ(EncodeSrgb8(std::numeric_limits<float>::infinity()), 255u);
  EXPECT_EQ(EncodeSrgb8(std::numeric_limits<float>::quiet_NaN()), 0u);
}

}  // namespace
}  // namespace nacre::simulator
