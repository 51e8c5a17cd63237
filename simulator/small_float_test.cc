#include "simulator/small_float.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// What the bits of a finite float with so many bits of mantissa say.
double ValueOf(uint32_t bits, int mantissa_bits) {
  const int exponent = static_cast<int>(bits >> mantissa_bits);
  const double mantissa = bits & ((1u << mantissa_bits) - 1);
  const double one = 1u << mantissa_bits;
  return exponent == 0 ? std::ldexp(mantissa / one, -14)
                       : std::ldexp(1 + mantissa / one, exponent - 15);
}

TEST(SmallFloatTest, HalvesAreIeeeBinary16) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    ASSERT_EQ(DecodeHalf(bits), ValueOf(bits, 10)) << bits;
    ASSERT_EQ(DecodeHalf(0x8000 | bits), -ValueOf(bits, 10)) << bits;
    ASSERT_EQ(EncodeHalf(DecodeHalf(bits)), bits);
    ASSERT_EQ(EncodeHalf(DecodeHalf(0x8000 | bits)), 0x8000 | bits);
  }
  EXPECT_EQ(DecodeHalf(0x7c00), kInfinity);
  EXPECT_EQ(DecodeHalf(0xfc00), -kInfinity);
  EXPECT_TRUE(std::isnan(DecodeHalf(0x7c01)));
  EXPECT_TRUE(std::signbit(DecodeHalf(0x8000)));
}

TEST(SmallFloatTest, HalvesRoundToNearestTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto middle = static_cast<float>(
        (ValueOf(bits, 10) + ValueOf(bits + 1, 10)) / 2);  // Exact.
    ASSERT_EQ(EncodeHalf(middle), bits + (bits & 1)) << bits;
    ASSERT_EQ(EncodeHalf(std::nextafterf(middle, 0)), bits) << bits;
    ASSERT_EQ(EncodeHalf(std::nextafterf(middle, kInfinity)), bits + 1) << bits;
  }
  EXPECT_EQ(EncodeHalf(65519.996f), 0x7bffu);
  EXPECT_EQ(EncodeHalf(65520), 0x7c00u);
  EXPECT_EQ(EncodeHalf(1e30f), 0x7c00u);
  EXPECT_EQ(EncodeHalf(-kInfinity), 0xfc00u);
  EXPECT_EQ(EncodeHalf(1e-30f), 0u);
  EXPECT_EQ(EncodeHalf(-1e-30f), 0x8000u);
  EXPECT_TRUE(std::isnan(DecodeHalf(EncodeHalf(kNan))));
}

// GL_EXT_packed_float, 2.1.A and 2.1.B.
TEST(SmallFloatTest, UnsignedFloatsOf11And10Bits) {
  for (const int mantissa : {6, 5}) {
    const uint32_t infinity = 31u << mantissa;
    for (uint32_t bits = 0; bits < infinity; ++bits) {
      const auto value = static_cast<float>(ValueOf(bits, mantissa));
      ASSERT_EQ(DecodeUnsignedFloat(bits, mantissa), value);
      ASSERT_EQ(EncodeUnsignedFloat(value, mantissa), bits);
      if (bits + 1 == infinity) continue;
      const auto middle = static_cast<float>(
          (ValueOf(bits, mantissa) + ValueOf(bits + 1, mantissa)) / 2);
      ASSERT_EQ(EncodeUnsignedFloat(middle, mantissa), bits + (bits & 1));
    }
    EXPECT_EQ(EncodeUnsignedFloat(1e30f, mantissa), infinity - 1);
    EXPECT_EQ(EncodeUnsignedFloat(kInfinity, mantissa), infinity);
    EXPECT_EQ(EncodeUnsignedFloat(-1, mantissa), 0u);
    EXPECT_EQ(EncodeUnsignedFloat(-kInfinity, mantissa), 0u);
    EXPECT_EQ(EncodeUnsignedFloat(-0.0f, mantissa), 0u);
    EXPECT_EQ(DecodeUnsignedFloat(infinity, mantissa), kInfinity);
    EXPECT_TRUE(std::isnan(
        DecodeUnsignedFloat(EncodeUnsignedFloat(kNan, mantissa), mantissa)));
  }
  EXPECT_EQ(DecodeUnsignedFloat(0x7bf, 6), 65024);
  EXPECT_EQ(DecodeUnsignedFloat(0x3df, 5), 64512);
}

// GL_EXT_texture_shared_exponent.
TEST(SmallFloatTest, SharedExponents) {
  using Rgb = std::array<float, 3>;
  EXPECT_EQ(EncodeSharedExponent({0, 0, 0}), 0u);
  // 1 = 256 * 2^(16 - 15 - 9).
  EXPECT_EQ(EncodeSharedExponent({1, 0.5f, 0.25f}),
            256u | 128u << 9 | 64u << 18 | 16u << 27);
  EXPECT_EQ(DecodeSharedExponent(256u | 128u << 9 | 64u << 18 | 16u << 27),
            (Rgb{1, 0.5f, 0.25f}));
  EXPECT_EQ(EncodeSharedExponent({kInfinity, -1, kNan}), 511u | 31u << 27);
  EXPECT_EQ(DecodeSharedExponent(511u | 31u << 27), (Rgb{65408, 0, 0}));
  // Rounding up to 512 takes the next exponent.
  EXPECT_EQ(EncodeSharedExponent({1.9999f, 0, 0}), 256u | 17u << 27);
  // The smallest, and half of it.
  EXPECT_EQ(EncodeSharedExponent({std::ldexp(1.0f, -24), 0, 0}), 1u);
  EXPECT_EQ(EncodeSharedExponent({std::ldexp(1.0f, -25), 0, 0}), 0u);
  for (uint32_t exponent = 0; exponent < 32; ++exponent) {
    for (uint32_t mantissa = 256; mantissa < 512; ++mantissa) {
      const uint32_t bits = mantissa | 3u << 9 | exponent << 27;
      ASSERT_EQ(EncodeSharedExponent(DecodeSharedExponent(bits)), bits);
    }
  }
}

}  // namespace
}  // namespace nacre::simulator
