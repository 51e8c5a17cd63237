// Copies: offsets, scaling, turning, samples.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "simulator/blit_2d_fixture.h"

namespace nacre::simulator {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kInt8 = 5;
constexpr uint32_t kInt32 = 7;

constexpr uint32_t kUntouchedDword = 0xcccccccc;

// Different for each pixel of a picture of up to 256 x 256.
uint32_t Pattern(uint32_t x, uint32_t y) { return (x | y << 8) * 0x9e3779b1; }

class Blit2dCopyTest : public Blit2dFixture {
 protected:
  static constexpr Picture kFrom = {.iova = kSource};
  static constexpr Picture kTo = {.iova = kTarget};

  explicit Blit2dCopyTest(Generation generation = Generation::kA6xx)
      : Blit2dFixture(generation) {
    for (uint32_t y = 0; y < 32; ++y) {
      for (uint32_t x = 0; x < 64; ++x) SourceDword(x, y) = Pattern(x, y);
    }
  }
  void PutSource(const Bytes& bytes, size_t at = 0) {
    std::memcpy(source_.data() + at, bytes.data(), bytes.size());
  }
  Bytes TargetStart(size_t count) const {
    return {target_.data(), target_.data() + count};
  }
};

TEST_F(Blit2dCopyTest, CopiesBetweenOffsets) {
  ASSERT_EQ(Copy(kFrom, {.x = 7, .y = 3, .width = 20, .height = 10},
                 {.iova = kTarget, .pitch = 512},
                 {.x = 33, .y = 1, .width = 20, .height = 10}),
            Hang::kNone);
  for (uint32_t y = 0; y < 16; ++y) {
    for (uint32_t x = 0; x < 128; ++x) {
      const bool inside = x >= 33 && x < 53 && y >= 1 && y < 11;
      ASSERT_EQ(TargetDword(x, y, 512),
                inside ? Pattern(x - 26, y + 2) : kUntouchedDword)
          << x << ", " << y;
    }
  }
  EXPECT_EQ(stats_.blits, 1u);
  EXPECT_EQ(stats_.blit_pixels, 200u);
}

// Mesa copies buffers as rows of bytes from the address aligned to 64 bytes.
TEST_F(Blit2dCopyTest, CopiesBytesOfBuffers) {
  constexpr uint32_t kBytes = 0x3fc0;
  for (uint32_t i = 0; i < 0x8000; ++i) {
    source_.data()[i] = static_cast<uint8_t>(i * 37 + i / 256);
  }
  ASSERT_EQ(Copy({.iova = kSource,
                  .format = 3,
                  .pitch = 0,
                  .width = 13 + kBytes,
                  .height = 1},
                 {.x = 13, .width = kBytes, .height = 1},
                 {.iova = kTarget, .format = 3, .pitch = 0},
                 {.x = 62, .width = kBytes, .height = 1}),
            Hang::kNone);
  EXPECT_EQ(target_.data()[61], kUntouched);
  for (uint32_t i = 0; i < kBytes; ++i) {
    ASSERT_EQ(target_.data()[62 + i], source_.data()[13 + i]);
  }
  EXPECT_EQ(target_.data()[62 + kBytes], kUntouched);
}

TEST_F(Blit2dCopyTest, StencilAloneIsCopied) {
  PutSource({0xab});
  const Area pixel = {.width = 1, .height = 1};
  ASSERT_EQ(Copy({.iova = kSource, .format = 2}, pixel,
                 {.iova = kTarget, .format = 0x91}, pixel,
                 {.partial_write = 0x00084001}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0xabccccccu);
}

TEST_F(Blit2dCopyTest, ChannelsThatAreMaskedOffAreZero) {
  const Area pixel = {.width = 1, .height = 1};
  PutSource({1, 2, 3, 4});
  ASSERT_EQ(Copy(kFrom, pixel, kTo, pixel, {.channels = 0xe}), Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0x04030200u);
}

// Each target pixel is the source pixel whose area holds its centre.
TEST_F(Blit2dCopyTest, ScalesAndTurnsToTheNearest) {
  const Area from = {.x = 5, .y = 2, .width = 30, .height = 14};
  for (const Area& to : {Area{.x = 4, .y = 3, .width = 30, .height = 14},
                         Area{.x = 4, .y = 3, .width = 47, .height = 25},
                         Area{.x = 0, .y = 0, .width = 7, .height = 5},
                         Area{.x = 60, .y = 1, .width = 1, .height = 30}}) {
    for (uint32_t rotation = 0; rotation <= 5; ++rotation) {
      ASSERT_EQ(Fill(kTo, {.width = 64, .height = 33},
                     {kUntouched, kUntouched, kUntouched, kUntouched}),
                Hang::kNone);
      ASSERT_EQ(Copy(kFrom, from, kTo, to, {.rotation = rotation}),
                Hang::kNone);
      for (uint32_t y = 0; y < 33; ++y) {
        for (uint32_t x = 0; x < 64; ++x) {
          const bool inside = x >= to.x && x < to.x + to.width && y >= to.y &&
                              y < to.y + to.height;
          if (!inside) {
            ASSERT_EQ(TargetDword(x, y), kUntouchedDword) << x << ", " << y;
            continue;
          }
          // Where the centre is, as fractions of the rectangle.
          const double u = (x - to.x + 0.5) / to.width;
          const double v = (y - to.y + 0.5) / to.height;
          const double turned[6][2] = {{u, v},     {v, 1 - u}, {1 - u, 1 - v},
                                       {1 - v, u}, {1 - u, v}, {u, 1 - v}};
          // The source's centres are never between two pixels here but by
          // rounding in this test.
          const auto source_x =
              static_cast<uint32_t>(turned[rotation][0] * from.width + 1e-9);
          const auto source_y =
              static_cast<uint32_t>(turned[rotation][1] * from.height + 1e-9);
          ASSERT_EQ(TargetDword(x, y),
                    Pattern(from.x + source_x, from.y + source_y))
              << x << ", " << y << " rotation " << rotation;
        }
      }
    }
  }
}

TEST_F(Blit2dCopyTest, TheScissorCutsAScaledPicture) {
  const Area from = {.width = 10, .height = 10};
  const Area to = {.width = 30, .height = 30};
  ASSERT_EQ(Copy(kFrom, from, kTo, to, {.rotation = 4}), Hang::kNone);
  std::vector<uint32_t> whole;
  for (uint32_t x = 0; x < 30; ++x) whole.push_back(TargetDword(x, 17));
  ASSERT_EQ(Fill(kTo, {.width = 64, .height = 32}, {0, 0, 0, 0}), Hang::kNone);
  ASSERT_EQ(Copy(kFrom, from, kTo, to,
                 {.rotation = 4,
                  .scissor = Area{.x = 11, .y = 17, .width = 6, .height = 1}}),
            Hang::kNone);
  for (uint32_t x = 0; x < 30; ++x) {
    EXPECT_EQ(TargetDword(x, 17), x >= 11 && x < 17 ? whole[x] : 0) << x;
    EXPECT_EQ(TargetDword(x, 16), 0u);
    EXPECT_EQ(TargetDword(x, 18), 0u);
  }
}

TEST_F(Blit2dCopyTest, LinearWeighsFourPixels) {
  PutSource({0, 100});
  PutSource({40, 200}, 64);
  const Picture from = {
      .iova = kSource, .format = 3, .pitch = 64, .width = 2, .height = 2};
  const Picture to = {.iova = kTarget, .format = 3, .pitch = 64};
  ASSERT_EQ(Copy(from, {.width = 2, .height = 2}, to, {.width = 4, .height = 4},
                 {.linear = true}),
            Hang::kNone);
  EXPECT_EQ(TargetBytes(to, 0, 0, 1, 4), (Bytes{0, 25, 75, 100}));
  // A quarter of the way down: 10, 38.75, 96.25, 125.
  EXPECT_EQ(TargetBytes(to, 0, 1, 1, 4), (Bytes{10, 39, 96, 125}));
  EXPECT_EQ(TargetBytes(to, 0, 2, 1, 4), (Bytes{30, 66, 139, 175}));
  EXPECT_EQ(TargetBytes(to, 0, 3, 1, 4), (Bytes{40, 80, 160, 200}));
}

// Two products, each rounded, then their sum: a compiler that makes one fused
// operation of these, as aarch64's may, would give 0x3f27f170 or 0x3f437d30.
TEST_F(Blit2dCopyTest, LinearRoundsTheSameOnEveryArchitecture) {
  constexpr uint32_t kFloats = 0x4a;
  SourceDword(0, 0) = 0x3f1a2b8f;
  SourceDword(1, 0) = 0x3f514311;
  const Picture from = {
      .iova = kSource, .format = kFloats, .width = 2, .height = 1};
  const Picture to = {.iova = kTarget, .format = kFloats};
  ASSERT_EQ(Copy(from, {.width = 2, .height = 1}, to, {.width = 4, .height = 1},
                 {.internal_format = 4, .linear = true}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(1, 0), 0x3f27f16fu);
  EXPECT_EQ(TargetDword(2, 0), 0x3f437d31u);
}

// Beside a pixel that counts for nothing, infinity is nothing either.
TEST_F(Blit2dCopyTest, LinearIsExactAtCentres) {
  constexpr uint32_t kFloats = 0x4a;
  constexpr uint32_t kOne = 0x3f800000;
  constexpr uint32_t kInfinity = 0x7f800000;
  SourceDword(0, 0) = kOne;
  SourceDword(1, 0) = kInfinity;
  const Picture from = {
      .iova = kSource, .format = kFloats, .width = 2, .height = 1};
  const Picture to = {.iova = kTarget, .format = kFloats};
  const Area both = {.width = 2, .height = 1};
  ASSERT_EQ(Copy(from, both, to, both,
                 {.internal_format = 4, .rotation = 4, .linear = true}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), kInfinity);
  EXPECT_EQ(TargetDword(1, 0), kOne);
}

// Against the same sums in doubles: the nearest value, or either of two.
TEST_F(Blit2dCopyTest, LinearIsTheNearestToTheExactSum) {
  constexpr uint32_t kWidth = 64;
  constexpr uint32_t kHeight = 32;
  const Area from = {.x = 3, .y = 1, .width = 50, .height = 21};
  for (const Area& to : {Area{.width = 61, .height = 32},
                         Area{.x = 9, .y = 2, .width = 23, .height = 29}}) {
    ASSERT_EQ(Copy(kFrom, from, kTo, to, {.linear = true}), Hang::kNone);
    for (uint32_t j = 0; j < to.height; ++j) {
      for (uint32_t i = 0; i < to.width; ++i) {
        const double u = from.x + (i + 0.5) * from.width / to.width - 0.5;
        const double v = from.y + (j + 0.5) * from.height / to.height - 0.5;
        const auto at = [&](double x, double y, uint32_t channel) -> double {
          const auto column = static_cast<uint32_t>(
              std::min<double>(std::max(x, 0.0), kWidth - 1));
          const auto row = static_cast<uint32_t>(
              std::min<double>(std::max(y, 0.0), kHeight - 1));
          return (Pattern(column, row) >> (8 * channel)) & 0xff;
        };
        const double x = std::floor(u);
        const double y = std::floor(v);
        for (uint32_t channel = 0; channel < 4; ++channel) {
          const double upper = at(x, y, channel) * (1 - (u - x)) +
                               at(x + 1, y, channel) * (u - x);
          const double lower = at(x, y + 1, channel) * (1 - (u - x)) +
                               at(x + 1, y + 1, channel) * (u - x);
          const double exact = upper * (1 - (v - y)) + lower * (v - y);
          const double stored =
              (TargetDword(to.x + i, to.y + j) >> (8 * channel)) & 0xff;
          ASSERT_NEAR(stored, exact, 0.5001) << i << ", " << j;
        }
      }
    }
  }
}

TEST_F(Blit2dCopyTest, BeyondTheSourceItsEdgeIsRepeated) {
  PutSource({1, 2, 3, 4});
  ASSERT_EQ(Copy({.iova = kSource, .format = 5, .width = 2, .height = 1},
                 {.width = 6, .height = 2}, {.iova = kTarget, .format = 5},
                 {.width = 6, .height = 2}, {.internal_format = kInt8}),
            Hang::kNone);
  EXPECT_EQ(TargetStart(6), (Bytes{1, 2, 2, 2, 2, 2}));
  EXPECT_EQ(target_.data()[256 + 5], 2);
}

// Found by the fuzzer: the pixels that are read ended too early.
TEST_F(Blit2dCopyTest, BeyondTheSourceLinearReadsNoFurther) {
  PutSource({0, 100});
  const Picture from = {.iova = kSource, .format = 3, .width = 2, .height = 1};
  const Picture to = {.iova = kTarget, .format = 3};
  Stream stream;
  const BlitOptions options = {.rotation = 4, .linear = true};
  const Area area = {.width = 4, .height = 1};
  Control(stream, 3, options, /*solid=*/false);
  From(stream, from, area, options);
  // From 1.5 pixels before the source to 2.5 within.
  constexpr uint32_t kStart = (0u - 0x180) & 0x1ffffff;
  stream.Registers(0x8401, {kStart, 0x180});
  To(stream, to, area).Command(Opcode::kBlit, {3});
  ASSERT_EQ(Run(stream), Hang::kNone);
  EXPECT_EQ(TargetStart(4), (Bytes{100, 50, 0, 0}));
}

TEST_F(Blit2dCopyTest, OfSeveralSamplesTheAverageOrTheFirst) {
  // Two pixels of four samples.
  PutSource({10, 20, 30, 40, 0, 0, 0, 255});
  const Picture from = {
      .iova = kSource, .format = 3, .width = 2, .height = 1, .samples = 2};
  const Picture to = {.iova = kTarget, .format = 3};
  const Area area = {.width = 2, .height = 1};
  ASSERT_EQ(Copy(from, area, to, area, {.average = true}), Hang::kNone);
  EXPECT_EQ(TargetStart(2), (Bytes{25, 64}));
  ASSERT_EQ(Copy(from, area, to, area, {}), Hang::kNone);
  EXPECT_EQ(TargetStart(2), (Bytes{10, 0}));
  Picture integers = from;
  integers.format = 5;
  ASSERT_EQ(Copy(integers, area, {.iova = kTarget, .format = 5}, area,
                 {.internal_format = kInt8, .average = true}),
            Hang::kNone);
  EXPECT_EQ(TargetStart(2), (Bytes{10, 0}));
}

// Mesa fd6_resolve_tile, store_cp_blit: the picture's coordinates, a tile's
// memory, and the scissor around the tile.
TEST_F(Blit2dCopyTest, TilesInGmemAreAtTheWindowOffset) {
  const Picture tile = {.iova = kGmemBase, .pitch = 64, .tile = 2};
  ASSERT_EQ(Fill(tile, {.width = 16, .height = 8}, {1, 2, 3, 4}), Hang::kNone);
  ASSERT_EQ(Fill(tile, {.x = 2, .y = 1, .width = 1, .height = 1}, {5, 6, 7, 8}),
            Hang::kNone);
  Stream stream;
  stream.Registers(0x8890, {32 | 16 << 16});
  const BlitOptions options = {
      .scissor = Area{.x = 32, .y = 16, .width = 16, .height = 8}};
  const Area all = {.width = 64, .height = 32};
  Control(stream, 0x30, options, /*solid=*/false);
  From(stream, tile, all, options);
  To(stream, kTo, all).Command(Opcode::kBlit, {3});
  ASSERT_EQ(Run(stream), Hang::kNone);
  for (uint32_t y = 0; y < 32; ++y) {
    for (uint32_t x = 0; x < 64; ++x) {
      const bool inside = x >= 32 && x < 48 && y >= 16 && y < 24;
      const uint32_t color = x == 34 && y == 17 ? 0x08070605 : 0x04030201;
      ASSERT_EQ(TargetDword(x, y), inside ? color : kUntouchedDword);
    }
  }
  EXPECT_EQ(stats_.unmapped_reads, 0u);
}

class Blit2dA7xxTest : public Blit2dCopyTest {
 protected:
  Blit2dA7xxTest() : Blit2dCopyTest(Generation::kA7xx) {}
};

TEST_F(Blit2dA7xxTest, SourceRegistersHaveMoved) {
  SourceDword(1, 1) = 0x12345678;
  const Area pixel = {.x = 1, .y = 1, .width = 1, .height = 1};
  ASSERT_EQ(Copy(kFrom, pixel, kTo, pixel), Hang::kNone);
  EXPECT_EQ(TargetDword(1, 1), 0x12345678u);
}

// turnip r2d_src_buffer_unaligned: buffers whose address and pitch are no
// multiple of 64 bytes.
TEST_F(Blit2dA7xxTest, SourcesMayStartAndContinueAnywhere) {
  constexpr uint32_t kPitch = 5 * 4;
  constexpr uint32_t kStart = 3;
  for (uint32_t i = 0; i < 15; ++i) SourceDword(kStart + i, 0) = 100 + i;
  Stream stream;
  const Area area = {.width = 4, .height = 3};
  Control(stream, 0x4b, {.internal_format = kInt32}, /*solid=*/false);
  stream.Registers(0xb2d2, {5u << 29 | kStart << 16});
  From(stream, {.iova = kSource, .format = 0x4b, .pitch = kPitch}, area, {});
  To(stream, {.iova = kTarget, .format = 0x4b}, area)
      .Command(Opcode::kBlit, {3});
  ASSERT_EQ(Run(stream), Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 100u);
  EXPECT_EQ(TargetDword(3, 0), 103u);
  EXPECT_EQ(TargetDword(0, 1), 105u);
  EXPECT_EQ(TargetDword(3, 2), 113u);
}

TEST_F(Blit2dA7xxTest, RawCopyIsMissing) {
  ASSERT_EQ(Run(Stream().Registers(0xb2d2, {1})), Hang::kNone);
  const Area pixel = {.width = 1, .height = 1};
  Copy(kFrom, pixel, kTo, pixel);
  EXPECT_EQ(Missing(), "CP_BLIT RAW_COPY");
}

}  // namespace
}  // namespace nacre::simulator
