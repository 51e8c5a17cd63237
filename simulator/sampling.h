#ifndef NACRE_SIMULATOR_SAMPLING_H_
#define NACRE_SIMULATOR_SAMPLING_H_

#include <cstdint>
#include <vector>

namespace nacre::simulator {

// How the pixels along one axis of a scaled picture are made from those of
// another.

// One of the result: (1 - weight) of source pixel `first`, weight of `second`.
struct Tap {
  uint32_t first = 0;
  uint32_t second = 0;
  float weight = 0;
};

struct Axis {
  // The source: its pixels are 0..size-1, beyond them the one at the edge is
  // repeated; [start, start + extent), in 1/256 of them, is what is scaled.
  uint32_t size = 1;
  int32_t start = 0;      // 25 bits and sign.
  int32_t extent = 256;   // Positive.
  uint32_t target = 1;    // The result's pixels. Up to 2^15.
  bool mirrored = false;  // The result's first pixel is at the source's end.
  bool linear = false;    // Between the two nearest; else the nearest.
};

// The taps of pixels first..first+count-1 of the result. Exact: the centre of
// pixel i is at start + extent * (i + 1/2) / target, a centre between two
// pixels belongs to the later one, and weights are rounded only as floats.
std::vector<Tap> MakeTaps(const Axis& axis, uint32_t first, uint32_t count);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SAMPLING_H_
