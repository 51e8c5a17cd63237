#ifndef NACRE_SIMULATOR_BLIT_2D_REGISTERS_H_
#define NACRE_SIMULATOR_BLIT_2D_REGISTERS_H_

#include <cstdint>
#include <string>
#include <variant>

#include "simulator/chips.h"
#include "simulator/format.h"
#include "simulator/gpu_memory.h"
#include "simulator/register_file.h"
#include "simulator/surface.h"

namespace nacre::simulator {

// A rectangle of pixels, empty if an end is not beyond its start.
struct Rect {
  int32_t x = 0;
  int32_t y = 0;
  int32_t x_end = 0;
  int32_t y_end = 0;

  bool empty() const { return x_end <= x || y_end <= y; }
  int32_t width() const { return x_end - x; }
  int32_t height() const { return y_end - y; }
};

// How the source rectangle is turned before it is scaled to the destination's.
enum class Rotation : uint8_t {
  kNone = 0,
  k90 = 1,  // Clockwise. No driver uses it or k270: the direction is a guess.
  k180 = 2,
  k270 = 3,
  kFlipX = 4,
  kFlipY = 5,
};

// What CP_BLIT is about to do, as the registers say it: a fill, or a copy from
// `source`. Everything is in range: coordinates are at most kMaxSurfaceSize or,
// of the source, fixed-point numbers of 25 bits.
struct Blit2d {
  Surface destination;
  Rect target;   // All of the destination rectangle.
  Rect visible;  // Its part within the scissor.
  // Bytes of a pixel, lowest first, that keep their value: depth or stencil.
  uint32_t kept_bytes = 0;
  uint32_t channels = 0xf;  // R is bit 0; others are written as 0.

  bool is_fill = false;
  Pixel color{};

  Surface source;
  uint32_t source_width = 1;  // Beyond it, the pixel at the edge is taken.
  uint32_t source_height = 1;
  // The source rectangle in 1/256 pixels.
  int32_t source_x = 0;
  int32_t source_y = 0;
  int32_t source_x_extent = 256;
  int32_t source_y_extent = 256;
  Rotation rotation = Rotation::kNone;
  bool linear = false;
  bool average = false;  // Of the source's samples; else the first one.
};

// A blit that hardware would do and we do not, by what is missing ("to format
// 0x8e"); one of a few hundred names.
struct BlitNotKnown {
  std::string what;
};

// The registers of the 2D engine (Mesa a6xx.xml; a7xx has moved some).
std::variant<Blit2d, BlitNotKnown> ReadBlit2d(const RegisterFile& registers,
                                              Generation generation,
                                              const GpuMemory& memory);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_BLIT_2D_REGISTERS_H_
