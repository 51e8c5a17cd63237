#include "simulator/small_float.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace nacre::simulator {
namespace {

constexpr uint32_t kFloatInfinity = 0x7f800000;
constexpr int kFloatMantissa = 23;
constexpr int kFloatBias = 127;
constexpr int kBias = 15;
constexpr uint32_t kExponentMax = 31;  // Infinity and NaN.

float DecodeMagnitude(uint32_t bits, int mantissa_bits) {
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const uint32_t exponent = (bits >> mantissa_bits) & kExponentMax;
  const int shift = kFloatMantissa - mantissa_bits;
  if (exponent == kExponentMax) {
    return std::bit_cast<float>(kFloatInfinity | mantissa << shift);
  }
  if (exponent == 0) {
    // Exact: a small integer times a power of two.
    return static_cast<float>(mantissa) *
           std::bit_cast<float>(
               static_cast<uint32_t>(kFloatBias + 1 - kBias - mantissa_bits)
               << kFloatMantissa);
  }
  return std::bit_cast<float>(
      (exponent + kFloatBias - kBias) << kFloatMantissa | mantissa << shift);
}

// Of the bits of a float that is not negative; too large ones become infinity.
uint32_t EncodeMagnitude(uint32_t bits, int mantissa_bits) {
  const uint32_t infinity = kExponentMax << mantissa_bits;
  if (bits > kFloatInfinity) return infinity | 1u << (mantissa_bits - 1);
  const int exponent =
      static_cast<int>(bits >> kFloatMantissa) - kFloatBias + kBias;
  if (exponent >= static_cast<int>(kExponentMax)) return infinity;
  uint32_t mantissa = bits & ((1u << kFloatMantissa) - 1);
  int shift = kFloatMantissa - mantissa_bits;
  uint32_t result = 0;
  if (exponent > 0) {
    result = static_cast<uint32_t>(exponent) << mantissa_bits;
  } else {
    // Denormal: the leading one becomes part of the mantissa. Beyond 24 bits
    // of shift all is below half of the smallest one.
    mantissa |= 1u << kFloatMantissa;
    shift = std::min(shift + 1 - exponent, kFloatMantissa + 2);
  }
  const uint32_t half = 1u << (shift - 1);
  const uint32_t odd = (mantissa >> shift) & 1;
  // A carry out of the mantissa is the next exponent, or infinity.
  return result + ((mantissa + half - 1 + odd) >> shift);
}

}  // namespace

float DecodeHalf(uint32_t half) {
  const float magnitude = DecodeMagnitude(half & 0x7fff, 10);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

uint32_t EncodeHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return ((bits >> 16) & 0x8000) | EncodeMagnitude(bits & 0x7fffffff, 10);
}

float DecodeUnsignedFloat(uint32_t bits, int mantissa_bits) {
  return DecodeMagnitude(bits, mantissa_bits);
}

uint32_t EncodeUnsignedFloat(float value, int mantissa_bits) {
  if (value < 0) return 0;
  const uint32_t bits = std::bit_cast<uint32_t>(value) & 0x7fffffff;
  const uint32_t infinity = kExponentMax << mantissa_bits;
  const uint32_t encoded = EncodeMagnitude(bits, mantissa_bits);
  return encoded == infinity && bits < kFloatInfinity ? infinity - 1 : encoded;
}

std::array<float, 3> DecodeSharedExponent(uint32_t bits) {
  const float scale = std::ldexp(1.0f, static_cast<int>(bits >> 27) - 15 - 9);
  return {static_cast<float>(bits & 0x1ff) * scale,
          static_cast<float>((bits >> 9) & 0x1ff) * scale,
          static_cast<float>((bits >> 18) & 0x1ff) * scale};
}

uint32_t EncodeSharedExponent(const std::array<float, 3>& rgb) {
  constexpr float kLargest = 65408;  // 511 / 512 * 2^16
  std::array<float, 3> clamped;
  for (size_t i = 0; i < rgb.size(); ++i) {
    clamped[i] = rgb[i] > 0 ? std::min(rgb[i], kLargest) : 0;
  }
  const float largest = *std::max_element(clamped.begin(), clamped.end());
  // frexp's mantissa is in [1/2, 1), so that its exponent is what brings the
  // largest value below 2^9 with all nine bits in use.
  int exponent = -15;
  if (largest > 0) {
    std::frexp(largest, &exponent);
    exponent = std::max(exponent, -15);
  }
  const auto at_exponent = [&](float value) {
    return static_cast<uint32_t>(
        std::nearbyint(std::ldexp(value, 9 - exponent)));
  };
  if (at_exponent(largest) == 512) ++exponent;
  return at_exponent(clamped[0]) | at_exponent(clamped[1]) << 9 |
         at_exponent(clamped[2]) << 18 |
         static_cast<uint32_t>(exponent + 15) << 27;
}

}  // namespace nacre::simulator
