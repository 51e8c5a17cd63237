#include "devices/virtio_gpu/edid.h"

#include <numeric>
#include <string>

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

// How a driver reads the first detailed timing (E-EDID A2, 3.10.2).
struct Timing {
  explicit Timing(const std::array<uint8_t, 128>& e)
      : clock_hz((e[54] | e[55] << 8) * 10000u),
        width(e[56] | (e[58] >> 4) << 8),
        horizontal_blank(e[57] | (e[58] & 0xf) << 8),
        height(e[59] | (e[61] >> 4) << 8),
        vertical_blank(e[60] | (e[61] & 0xf) << 8) {}
  double refresh() const {
    return double{clock_hz} /
           ((width + horizontal_blank) * (height + vertical_blank));
  }

  double clock_hz;
  uint32_t width;
  uint32_t horizontal_blank;
  uint32_t height;
  uint32_t vertical_blank;
};

TEST(EdidTest, HasTheFixedHeaderAndChecksum) {
  const auto edid = MakeEdid(1280, 800);
  EXPECT_EQ(edid[0], 0);
  for (int i = 1; i < 7; ++i) EXPECT_EQ(edid[i], 0xff);
  EXPECT_EQ(edid[7], 0);
  EXPECT_EQ(edid[18], 1);
  EXPECT_EQ(edid[126], 0);  // No extensions.
  EXPECT_EQ(std::accumulate(edid.begin(), edid.end(), 0) % 256, 0);
}

TEST(EdidTest, SaysTheModeAtSixtyHertz) {
  for (const auto& [width, height] :
       {std::pair{640u, 480u}, {1280u, 800u}, {1920u, 1080u}, {2560u, 1440u}}) {
    const Timing timing(MakeEdid(width, height));
    EXPECT_EQ(timing.width, width);
    EXPECT_EQ(timing.height, height);
    EXPECT_NEAR(timing.refresh(), 60.0, 0.1);
  }
}

TEST(EdidTest, HoldsItsExtremes) {
  for (const uint32_t side : {1u, kMaxEdidPixels}) {
    const auto edid = MakeEdid(side, side);
    const Timing timing(edid);
    EXPECT_EQ(timing.width, side);
    EXPECT_EQ(timing.height, side);
    EXPECT_GT(timing.clock_hz, 0);
    EXPECT_EQ(std::accumulate(edid.begin(), edid.end(), 0) % 256, 0);
  }
}

TEST(EdidTest, IsNamedNacre) {
  const auto edid = MakeEdid(1280, 800);
  EXPECT_EQ(edid[75], 0xfc);
  EXPECT_EQ(std::string(edid.begin() + 77, edid.begin() + 83), "Nacre\n");
}

}  // namespace
}  // namespace nacre::virtio_gpu
