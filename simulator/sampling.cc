#include "simulator/sampling.h"

#include <algorithm>

namespace nacre::simulator {
namespace {

// Source pixels in this many parts.
constexpr int64_t kOne = 256;

int64_t FloorDivide(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

}  // namespace

std::vector<Tap> MakeTaps(const Axis& axis, uint32_t first, uint32_t count) {
  const int64_t target = axis.target;
  const int64_t unit = 2 * kOne * target;  // A source pixel.
  const auto clamped = [&](int64_t index) {
    return static_cast<uint32_t>(
        std::clamp<int64_t>(index, 0, int64_t{axis.size} - 1));
  };
  std::vector<Tap> taps(count);
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t step = int64_t{first} + i;
    const int64_t pixel = axis.mirrored ? target - 1 - step : step;
    int64_t position = int64_t{axis.start} * 2 * target +
                       int64_t{axis.extent} * (2 * pixel + 1);
    if (axis.linear) position -= unit / 2;
    const int64_t index = FloorDivide(position, unit);
    Tap& tap = taps[i];
    tap.first = clamped(index);
    tap.second = tap.first;
    if (axis.linear) {
      tap.second = clamped(index + 1);
      tap.weight =
          static_cast<float>(static_cast<double>(position - index * unit) /
                             static_cast<double>(unit));
    }
  }
  return taps;
}

}  // namespace nacre::simulator
