#include "devices/virtio_gpu/edid.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace nacre::virtio_gpu {
namespace {

using Block = std::array<uint8_t, 128>;

constexpr uint32_t kRefreshHz = 60;
constexpr uint32_t kDotsPerInch = 96;

// Blanking in the manner of CVT with reduced blanking: constant horizontally,
// a few lines vertically.
constexpr uint32_t kHorizontalBlank = 160;
constexpr uint32_t kHorizontalFrontPorch = 48;
constexpr uint32_t kHorizontalSync = 32;
constexpr uint32_t kVerticalBlank = 32;
constexpr uint32_t kVerticalFrontPorch = 3;
constexpr uint32_t kVerticalSync = 6;

constexpr uint32_t Millimetres(uint32_t pixels) {
  return pixels * 254 / (kDotsPerInch * 10);
}

constexpr uint8_t Low8(uint32_t value) {
  return static_cast<uint8_t>(value & 0xff);
}

// Bits 8..11 of both, `a` in the upper half.
constexpr uint8_t HighNibbles(uint32_t a, uint32_t b) {
  return static_cast<uint8_t>((a >> 8 & 0xf) << 4 | (b >> 8 & 0xf));
}

// E-EDID A2, 3.10.2.
void WriteDetailedTiming(uint32_t width, uint32_t height, uint8_t* d) {
  // In units of 10 kHz, which 16 bits hold up to 655 MHz: larger modes show
  // at a lower rate.
  const uint32_t clock =
      std::min<uint32_t>((width + kHorizontalBlank) *
                             (height + kVerticalBlank) * kRefreshHz / 10000,
                         0xffff);
  d[0] = Low8(clock);
  d[1] = Low8(clock >> 8);
  d[2] = Low8(width);
  d[3] = Low8(kHorizontalBlank);
  d[4] = HighNibbles(width, kHorizontalBlank);
  d[5] = Low8(height);
  d[6] = Low8(kVerticalBlank);
  d[7] = HighNibbles(height, kVerticalBlank);
  d[8] = Low8(kHorizontalFrontPorch);
  d[9] = Low8(kHorizontalSync);
  d[10] = kVerticalFrontPorch << 4 | kVerticalSync;
  d[11] = 0;
  const uint32_t width_mm = Millimetres(width);
  const uint32_t height_mm = Millimetres(height);
  d[12] = Low8(width_mm);
  d[13] = Low8(height_mm);
  d[14] = HighNibbles(width_mm, height_mm);
  d[17] = 0x1e;  // Digital separate sync, both positive.
}

// E-EDID A2, 3.10.3: a tag and up to 13 characters, ended by a line feed and
// padded with spaces.
void WriteTextDescriptor(uint8_t tag, const char* text, uint8_t* d) {
  d[3] = tag;
  uint8_t* const end = d + 18;
  uint8_t* out = d + 5;
  while (*text != '\0' && out < end) *out++ = static_cast<uint8_t>(*text++);
  if (out < end) *out++ = '\n';
  std::fill(out, end, ' ');
}

}  // namespace

Block MakeEdid(uint32_t width, uint32_t height) {
  Block e = {};
  std::fill(e.begin() + 1, e.begin() + 7, 0xff);  // The fixed header.
  // Manufacturer "NCR": five bits a letter, the first in the highest.
  constexpr uint32_t kManufacturer =
      ('N' - '@') << 10 | ('C' - '@') << 5 | ('R' - '@');
  e[8] = kManufacturer >> 8;
  e[9] = kManufacturer & 0xff;
  e[10] = 1;   // Product code.
  e[12] = 1;   // Serial number.
  e[16] = 1;   // Week...
  e[17] = 35;  // ... and year of manufacture, from 1990.
  e[18] = 1;   // EDID 1.4.
  e[19] = 4;
  e[20] = 0xa5;  // Digital, eight bits a colour, DisplayPort.
  e[21] = static_cast<uint8_t>(
      std::min<uint32_t>((Millimetres(width) + 5) / 10, 255));
  e[22] = static_cast<uint8_t>(
      std::min<uint32_t>((Millimetres(height) + 5) / 10, 255));
  e[23] = 120;   // Gamma 2.2.
  e[24] = 0x06;  // sRGB; the first detailed timing is the native mode.
  // sRGB's chromaticities (E-EDID A2, 3.7).
  constexpr uint8_t kSrgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c,
                               0x99, 0x26, 0x0f, 0x50, 0x54};
  std::copy(std::begin(kSrgb), std::end(kSrgb), e.begin() + 25);
  std::fill(e.begin() + 38, e.begin() + 54, 0x01);  // No standard timings.
  WriteDetailedTiming(width, height, &e[54]);
  WriteTextDescriptor(0xfc, "Nacre", &e[72]);  // Display product name.
  WriteTextDescriptor(0xff, "1", &e[90]);      // Serial number.
  WriteTextDescriptor(0xfe, "virtio-gpu", &e[108]);
  const uint32_t sum = std::accumulate(e.begin(), e.end() - 1, 0u);
  e[127] = Low8(0x100 - (sum & 0xff));
  return e;
}

}  // namespace nacre::virtio_gpu
