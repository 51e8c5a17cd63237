#include "simulator/srgb.h"

#include <array>
#include <cmath>
#include <cstddef>

namespace nacre::simulator {
namespace {

double ToLinear(double srgb) {
  return srgb <= 0.04045 ? srgb / 12.92 : std::pow((srgb + 0.055) / 1.055, 2.4);
}

struct Tables {
  // How finely EncodeSrgb8 guesses: in one step, the code rises by at most 1
  // where it rises fastest, at 0 (12.92 * 255 per unit).
  static constexpr size_t kSteps = 4096;

  Tables() {
    for (size_t code = 0; code < decoded.size(); ++code) {
      const double stored = static_cast<double>(code);
      decoded[code] = static_cast<float>(ToLinear(stored / 255));
      // From here on the next code is nearer.
      upper[code] = ToLinear((stored + 0.5) / 255);
    }
    size_t code = 0;
    for (size_t step = 0; step < guesses.size(); ++step) {
      while (static_cast<double>(step) / kSteps >= upper[code]) ++code;
      guesses[step] = static_cast<uint8_t>(code);
    }
  }

  std::array<float, 256> decoded;
  std::array<double, 256> upper;
  std::array<uint8_t, kSteps> guesses;
};

const Tables& GetTables() {
  static const Tables* const tables = new Tables;
  return *tables;
}

}  // namespace

float DecodeSrgb8(uint32_t code) { return GetTables().decoded[code & 0xff]; }

uint32_t EncodeSrgb8(float linear) {
  if (!(linear > 0)) return 0;
  if (linear >= 1) return 255;
  const Tables& tables = GetTables();
  uint32_t code = tables.guesses[static_cast<size_t>(linear * Tables::kSteps)];
  while (static_cast<double>(linear) >= tables.upper[code]) ++code;
  return code;
}

}  // namespace nacre::simulator
