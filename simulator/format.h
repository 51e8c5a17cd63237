#ifndef NACRE_SIMULATOR_FORMAT_H_
#define NACRE_SIMULATOR_FORMAT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"

namespace nacre::simulator {

// How pixels of Adreno a6xx and a7xx are stored. Sources: Mesa 25.0.7
// src/freedreno/registers/adreno/a6xx.xml (a6xx_format, a3xx_color_swap) and
// src/freedreno/fdl/fd6_format_table.c, which pairs each of them with the API's
// formats. Of those, the ones that its 2D engine and blit event use: not the
// compressed, planar and 24- to 96-bit ones.

enum class ChannelType : uint8_t { kUnorm, kSnorm, kFloat, kUint, kSint };

// What a channel's value is while nothing stores it.
enum class Numeric : uint8_t { kFloat, kUint, kSint };

struct Format {
  absl::string_view name;       // As in the XML, without FMT6_.
  uint8_t code;                 // a6xx_format
  uint8_t bytes;                // A pixel: 1, 2, 4, 8 or 16.
  ChannelType type;             // Of every channel.
  std::array<uint8_t, 4> bits;  // R, G, B, A; 0 for one that is not stored.

  Numeric numeric() const {
    return type == ChannelType::kUint   ? Numeric::kUint
           : type == ChannelType::kSint ? Numeric::kSint
                                        : Numeric::kFloat;
  }
};

// Valid forever; null for a value that is no format known here.
//
// The depth and stencil formats are given in terms of color: Z16 is 16_UNORM,
// Z32 is 32_FLOAT, S8 is 8_UINT already in Mesa; Z24_UNORM_S8_UINT and its
// aliases have depth in R, G and B, low byte first, and stencil in A, 8 bits
// each and integers. See AsUnorm.
const Format* FindFormat(uint32_t code);

// A format of the same layout with channels that are normalized, if `format`
// is a depth and stencil one, which hardware takes as either; else the same.
const Format& AsUnorm(const Format& format);

// The order of stored channels from the lowest bits (in memory: bytes) up,
// which is the name read from its end: kWzyx is R, G, B, A.
enum class Swap : uint8_t { kWzyx = 0, kWxyz = 1, kZyxw = 2, kXyzw = 3 };

// How a surface's pixels are stored.
struct PixelLayout {
  const Format* format = nullptr;
  Swap swap = Swap::kWzyx;
  bool srgb = false;  // R, G and B of 8-bit UNORM formats are sRGB-encoded.
};

// Whether packing with `to` what was unpacked with `from` gives back the same
// bits, whatever they are. Not so for SNORM, which has two -1.
bool IsBitCopy(const PixelLayout& from, const PixelLayout& to);

// Whether the two differ in the order of four channels of 8 bits alone, so that
// Reorder can make stored pixels of `from` those of `to`.
bool IsReordering(const PixelLayout& from, const PixelLayout& to);
void Reorder(const PixelLayout& from, const PixelLayout& to,
             std::span<uint8_t> stored);

// R, G, B, A: floats by their bits, or integers. Of sRGB, linear values.
using Pixel = std::array<uint32_t, 4>;

inline float AsFloat(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t AsBits(float value) { return std::bit_cast<uint32_t>(value); }

// Reads pixels.size() stored pixels. Channels that are not stored are 0, A is
// 1. UNORM values are exact quotients, rounded once to float; the lowest SNORM
// value is -1 as its neighbour is.
void Unpack(const PixelLayout& layout, const uint8_t* stored,
            std::span<Pixel> pixels);

// Writes them. Values are clamped to what the format can hold and rounded to
// nearest, ties to even (once, from the exact product); NaN is 0 in UNORM and
// SNORM and stays one in floats; floats without a sign clamp to their largest
// finite value, others overflow to infinity.
void Pack(const PixelLayout& layout, std::span<const Pixel> pixels,
          uint8_t* stored);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_FORMAT_H_
