#ifndef NACRE_SIMULATOR_SURFACE_H_
#define NACRE_SIMULATOR_SURFACE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "simulator/format.h"
#include "simulator/gpu_memory.h"

namespace nacre::simulator {

// A picture in GPU memory, one level and layer of an image, a buffer taken as
// one, or a tile in GMEM: rows of pixels, `pitch` bytes apart.
//
// This is the one place that knows how pixels lie in memory, and what it says
// is simpler than hardware: tiled surfaces (TILE6_2, TILE6_3) are stored as
// linear ones of the same pitch are, and UBWC's flags are neither read nor
// written. Their real layouts depend on the chip's banks, and clients do not
// see them: what the CPU shall read or write is linear, or copied to and from
// linear memory by the engines. All engines agree, so that data may be tiled
// by one and untiled by another. Where a client does tile by itself (imported
// modifiers, VK_EXT_host_image_copy, GL's detiling of small textures), it sees
// another picture than hardware would give.
//
// A multisampled pixel is its samples one after the other, as many bytes each
// as the format says; a6xx addresses it so too where a driver takes it for a
// wider surface of single samples.
struct Surface {
  uint64_t iova = 0;   // Of the pixel at (0, 0).
  uint32_t pitch = 0;  // Bytes.
  PixelLayout layout;
  uint32_t samples = 1;  // 1, 2, 4 or 8.

  uint32_t bytes_per_pixel() const { return layout.format->bytes * samples; }
  uint64_t AddressOf(uint32_t x, uint32_t y) const {
    return iova + uint64_t{y} * pitch + uint64_t{x} * bytes_per_pixel();
  }
};

// What registers can say at most in either direction. A row of it, of the
// largest pixel, is 4 MiB: nothing here allocates more than that.
inline constexpr uint32_t kMaxSurfaceSize = 1u << 15;

// The samples that the SAMPLES field (a3xx_msaa_samples) of any register means.
constexpr uint32_t SampleCount(uint32_t field) { return 1u << (field & 3); }

// Reads rows of pixels as values: of several samples the first one, or the
// average of them, which is of linear values for sRGB and rounded nowhere.
class PixelReader {
 public:
  // All three outlive this. `average` is for formats that are not integers.
  PixelReader(GpuMemory& memory, const Surface& surface, bool average)
      : memory_(memory), surface_(surface), average_(average) {}

  // Pixels (x, y), (x + 1, y) and so on; at most kMaxSurfaceSize.
  void Read(uint32_t x, uint32_t y, std::span<Pixel> pixels);

 private:
  GpuMemory& memory_;
  const Surface& surface_;
  const bool average_;
  std::vector<uint8_t> stored_;
  std::vector<Pixel> samples_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SURFACE_H_
