#ifndef NACRE_SIMULATOR_SMALL_FLOAT_H_
#define NACRE_SIMULATOR_SMALL_FLOAT_H_

#include <array>
#include <cstdint>

namespace nacre::simulator {

// Floats of less than 32 bits. All have 5 bits of exponent with a bias of 15,
// denormals, infinity and NaN, but for the shared exponent below. Encoding
// rounds to nearest, ties to even.

// IEEE 754 binary16. Too large values become infinity.
float DecodeHalf(uint32_t half);
uint32_t EncodeHalf(float value);

// The unsigned ones of GL_EXT_packed_float: 11 bits with 6 of mantissa, 10 with
// 5. As it demands, negative values become 0, too large finite ones the largest
// finite one.
float DecodeUnsignedFloat(uint32_t bits, int mantissa_bits);
uint32_t EncodeUnsignedFloat(float value, int mantissa_bits);

// GL_EXT_texture_shared_exponent: R, G, B from the lowest bits up, 9 each, then
// 5 of exponent. Negative values and NaN become 0, larger ones 65408.
std::array<float, 3> DecodeSharedExponent(uint32_t bits);
uint32_t EncodeSharedExponent(const std::array<float, 3>& rgb);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SMALL_FLOAT_H_
