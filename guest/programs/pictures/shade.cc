#include <algorithm>
#include <cmath>
#include <cstring>

#include "guest/programs/pictures/suite.h"

namespace nacre::guest {
namespace {

template <typename Number>
Number Read(const uint8_t* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof(number));
  return number;
}

uint8_t Byte(float value) {
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.f, 1.f) * 255));
}

// Of a half that is 0 or normal and at least 0.
float FromHalf(uint16_t half) {
  if (half == 0) return 0;
  return std::ldexp(1.f + static_cast<float>(half & 0x3ff) / 1024,
                    (half >> 10) - 15);
}

Rgba8 Grey(uint32_t value) {
  const uint8_t byte = static_cast<uint8_t>(value);
  return {byte, byte, byte, 255};
}

}  // namespace

Rgba8 ShadeRgba8(const uint8_t* pixel) { return Read<Rgba8>(pixel); }

Rgba8 ShadeBgra8(const uint8_t* pixel) {
  return {pixel[2], pixel[1], pixel[0], pixel[3]};
}

Rgba8 ShadeR8(const uint8_t* pixel) { return Grey(pixel[0]); }

Rgba8 ShadeR16(const uint8_t* pixel) { return Grey(pixel[1]); }

Rgba8 ShadeX8D24(const uint8_t* pixel) { return Grey(pixel[2]); }

Rgba8 ShadeR32(const uint8_t* pixel) { return Grey(pixel[3]); }

Rgba8 ShadeRg8(const uint8_t* pixel) { return {pixel[0], pixel[1], 0, 255}; }

Rgba8 ShadeR5G6B5(const uint8_t* pixel) {
  const uint32_t bits = Read<uint16_t>(pixel);
  return {static_cast<uint8_t>((bits >> 11) * 255 / 31),
          static_cast<uint8_t>((bits >> 5 & 63) * 255 / 63),
          static_cast<uint8_t>((bits & 31) * 255 / 31), 255};
}

Rgba8 ShadeA2B10G10R10(const uint8_t* pixel) {
  const uint32_t bits = Read<uint32_t>(pixel);
  return {static_cast<uint8_t>(bits >> 2 & 255),
          static_cast<uint8_t>(bits >> 12 & 255),
          static_cast<uint8_t>(bits >> 22 & 255),
          static_cast<uint8_t>((bits >> 30) * 85)};
}

Rgba8 ShadeRgba16(const uint8_t* pixel) {
  return {pixel[1], pixel[3], pixel[5], pixel[7]};
}

Rgba8 ShadeRgba32(const uint8_t* pixel) {
  return {pixel[3], pixel[7], pixel[11], pixel[15]};
}

Rgba8 ShadeR32f(const uint8_t* pixel) { return Grey(Byte(Read<float>(pixel))); }

Rgba8 ShadeRgba32f(const uint8_t* pixel) {
  const auto color = Read<std::array<float, 4>>(pixel);
  return {Byte(color[0]), Byte(color[1]), Byte(color[2]), Byte(color[3])};
}

Rgba8 ShadeRgba16f(const uint8_t* pixel) {
  const auto color = Read<std::array<uint16_t, 4>>(pixel);
  return {Byte(FromHalf(color[0])), Byte(FromHalf(color[1])),
          Byte(FromHalf(color[2])), Byte(FromHalf(color[3]))};
}

}  // namespace nacre::guest
