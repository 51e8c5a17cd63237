#include "simulator/surface.h"

#include <cstdint>
#include <vector>

#include "simulator/cp_fixture.h"

namespace nacre::simulator {
namespace {

class SurfaceTest : public CpFixture {
 protected:
  SurfaceTest() { memory_.Attach(space_); }
  ~SurfaceTest() override { memory_.Detach(); }

  Surface NewSurface(uint32_t format, uint32_t samples) {
    return {.iova = kIova,
            .pitch = 64,
            .layout = {.format = FindFormat(format)},
            .samples = samples};
  }
  std::vector<Pixel> ReadPixels(const Surface& surface, uint32_t x, uint32_t y,
                                size_t count, bool average = false) {
    std::vector<Pixel> pixels(count);
    PixelReader(memory_, surface, average).Read(x, y, pixels);
    return pixels;
  }

  GpuMemory memory_;
};

TEST_F(SurfaceTest, PixelsAreInRowsOfThePitch) {
  const Surface surface = NewSurface(0x4b, 1);
  Dword(16 + 3) = 7;
  Dword(16 + 4) = 8;
  EXPECT_EQ(ReadPixels(surface, 3, 1, 2),
            (std::vector<Pixel>{{7, 0, 0, 1}, {8, 0, 0, 1}}));
}

TEST_F(SurfaceTest, OfSeveralSamplesTheFirstOrTheAverage) {
  const Surface surface = NewSurface(0x4a, 4);
  for (uint32_t i = 0; i < 4; ++i) {
    Dword(4 + i) = AsBits(static_cast<float>(i + 1));
    Dword(8 + i) = AsBits(static_cast<float>(10 * i));
  }
  std::vector<Pixel> pixels = ReadPixels(surface, 1, 0, 2);
  EXPECT_EQ(AsFloat(pixels[0][0]), 1);
  EXPECT_EQ(AsFloat(pixels[1][0]), 0);
  pixels = ReadPixels(surface, 1, 0, 2, /*average=*/true);
  EXPECT_EQ(AsFloat(pixels[0][0]), 2.5f);
  EXPECT_EQ(AsFloat(pixels[1][0]), 15);
  EXPECT_EQ(AsFloat(pixels[1][3]), 1);
}

TEST_F(SurfaceTest, SrgbIsAveragedInLinearValues) {
  Surface surface = NewSurface(0x30, 2);
  surface.layout.srgb = true;
  Dword(0) = 0xff0000ff;
  Dword(1) = 0;
  const Pixel pixel = ReadPixels(surface, 0, 0, 1, /*average=*/true)[0];
  EXPECT_EQ(AsFloat(pixel[0]), 0.5f);
  EXPECT_EQ(AsFloat(pixel[3]), 0.5f);
}

}  // namespace
}  // namespace nacre::simulator
