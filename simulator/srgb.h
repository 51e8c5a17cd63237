#ifndef NACRE_SIMULATOR_SRGB_H_
#define NACRE_SIMULATOR_SRGB_H_

#include <cstdint>

namespace nacre::simulator {

// The sRGB transfer functions (IEC 61966-2-1) between linear values and 8 bits.

// The value of a code 0..255.
float DecodeSrgb8(uint32_t code);

// The code that is nearest in sRGB to a linear value, which is clamped to
// [0, 1]; 0 for NaN.
uint32_t EncodeSrgb8(float linear);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SRGB_H_
