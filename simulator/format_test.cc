#include "simulator/format.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::simulator {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Bytes = std::vector<uint8_t>;

Pixel Floats(float r, float g, float b, float a) {
  return {AsBits(r), AsBits(g), AsBits(b), AsBits(a)};
}

PixelLayout Layout(uint32_t code, Swap swap = Swap::kWzyx, bool srgb = false) {
  const Format* format = FindFormat(code);
  EXPECT_NE(format, nullptr) << code;
  return {format, swap, srgb};
}

Bytes PackOne(const PixelLayout& layout, const Pixel& pixel) {
  Bytes bytes(layout.format->bytes, 0xcc);
  Pack(layout, {&pixel, 1}, bytes.data());
  return bytes;
}

Pixel UnpackOne(const PixelLayout& layout, const Bytes& bytes) {
  EXPECT_EQ(bytes.size(), layout.format->bytes);
  Pixel pixel = {};
  Unpack(layout, bytes.data(), {&pixel, 1});
  return pixel;
}

// A pixel that is stored so, and is read back as itself.
struct Case {
  uint32_t format;
  Swap swap;
  Pixel pixel;
  Bytes bytes;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "format " << c.format << " swap " << static_cast<int>(c.swap);
}

class StoredPixelTest : public testing::TestWithParam<Case> {};

TEST_P(StoredPixelTest, IsPackedAndUnpacked) {
  const Case& c = GetParam();
  const PixelLayout layout = Layout(c.format, c.swap);
  EXPECT_EQ(PackOne(layout, c.pixel), c.bytes);
  EXPECT_EQ(UnpackOne(layout, c.bytes), c.pixel);
}

constexpr Swap kWzyx = Swap::kWzyx;
constexpr Swap kWxyz = Swap::kWxyz;
constexpr Swap kZyxw = Swap::kZyxw;
constexpr Swap kXyzw = Swap::kXyzw;

const Pixel k8888 = Floats(17 / 255.f, 34 / 255.f, 51 / 255.f, 68 / 255.f);

INSTANTIATE_TEST_SUITE_P(
    Swaps, StoredPixelTest,
    testing::Values(Case{0x30, kWzyx, k8888, {0x11, 0x22, 0x33, 0x44}},
                    Case{0x30, kWxyz, k8888, {0x33, 0x22, 0x11, 0x44}},
                    Case{0x30, kZyxw, k8888, {0x44, 0x11, 0x22, 0x33}},
                    Case{0x30, kXyzw, k8888, {0x44, 0x33, 0x22, 0x11}},
                    // X24S8_UINT: stencil becomes R (Mesa fd6_texture_swap).
                    Case{0x33, kXyzw, {0xaa, 3, 2, 1}, {1, 2, 3, 0xaa}}));

// PIPE_FORMAT_x, whose names are from the lowest bit up.
const Pixel kRed = Floats(1, 0, 0, 0);
const Pixel kOpaqueBlue = Floats(0, 0, 1, 1);

INSTANTIATE_TEST_SUITE_P(
    SixteenBits, StoredPixelTest,
    testing::Values(
        Case{0x0e, kWzyx, Floats(1, 0, 0, 1), {0x1f, 0x00}},  // R5G6B5
        Case{0x0e, kWxyz, Floats(1, 0, 0, 1), {0x00, 0xf8}},  // B5G6R5
        Case{0x0e, kWxyz, Floats(0, 1, 0, 1), {0xe0, 0x07}},  // B5G6R5
        Case{0x0a, kWzyx, kRed, {0x1f, 0x00}},                // R5G5B5A1
        Case{0x0a, kWzyx, kOpaqueBlue, {0x00, 0xfc}},         // R5G5B5A1
        Case{0x0a, kWxyz, kRed, {0x00, 0x7c}},                // B5G5R5A1
        Case{0x0a, kWxyz, kOpaqueBlue, {0x1f, 0x80}},         // B5G5R5A1
        Case{0x0a, kZyxw, kRed, {0x3e, 0x00}},                // A1R5G5B5
        Case{0x0a, kZyxw, kOpaqueBlue, {0x01, 0xf8}},         // A1R5G5B5
        Case{0x0a, kXyzw, kRed, {0x00, 0xf8}},                // A1B5G5R5
        Case{0x0a, kXyzw, kOpaqueBlue, {0x3f, 0x00}},         // A1B5G5R5
        Case{0x0c, kWzyx, kRed, {0x3e, 0x00}},                // A1R5G5B5
        Case{0x0c, kWzyx, kOpaqueBlue, {0x01, 0xf8}},         // A1R5G5B5
        Case{0x0c, kWxyz, kRed, {0x00, 0xf8}},                // A1B5G5R5
        Case{0x0c, kWxyz, kOpaqueBlue, {0x3f, 0x00}},         // A1B5G5R5
        Case{0x08, kWzyx, k8888, {0x21, 0x43}},               // R4G4B4A4
        Case{0x08, kWxyz, k8888, {0x23, 0x41}},               // B4G4R4A4
        Case{0x08, kZyxw, k8888, {0x14, 0x32}},               // A4R4G4B4
        Case{0x08, kXyzw, k8888, {0x34, 0x12}}));             // A4B4G4R4

INSTANTIATE_TEST_SUITE_P(
    ThirtyTwoBits, StoredPixelTest,
    testing::Values(
        Case{0x36, kWzyx, Floats(1, 0, 0, 1 / 3.f), {0xff, 0x03, 0, 0x40}},
        Case{0x37, kWzyx, Floats(0, 0, 1, 0), {0, 0, 0xf0, 0x3f}},
        Case{0x37, kWxyz, Floats(1, 0, 0, 1), {0, 0, 0xf0, 0xff}},
        Case{0x3a, kWzyx, {0x123, 4, 5, 2}, {0x23, 0x11, 0x50, 0x80}},
        // 1 is exponent 15, mantissa 0: 0x3c0 in 11 bits, 0x1e0 in 10.
        Case{0x42, kWzyx, Floats(1, 0, 0, 1), {0xc0, 0x03, 0, 0}},
        Case{0x42, kWzyx, Floats(0, 1, 0, 1), {0, 0, 0x1e, 0}},
        Case{0x42, kWzyx, Floats(0, 0, 1, 1), {0, 0, 0, 0x78}},
        Case{0x35, kWzyx, Floats(1, 0, 0, 1), {0, 1, 0, 0x80}},
        // Depth 0x123456, stencil 0xab.
        Case{0x91, kWzyx, {0x56, 0x34, 0x12, 0xab}, {0x56, 0x34, 0x12, 0xab}},
        Case{0xa0, kWzyx, {0x56, 0x34, 0x12, 0xab}, {0x56, 0x34, 0x12, 0xab}},
        Case{0x31, kWzyx, Floats(1, 0, 1, 1), {0xff, 0, 0xff, 0}},
        Case{0x32, kWzyx, Floats(1, -1, 0, -64 / 127.f), {0x7f, 0x81, 0, 0xc0}},
        Case{0x34, kWzyx, {1, ~0u, 127, ~127u}, {1, 0xff, 0x7f, 0x80}},
        Case{0x4a, kWzyx, Floats(-2, 0, 0, 1), {0, 0, 0, 0xc0}},
        Case{0x4b, kWzyx, {0x12345678, 0, 0, 1}, {0x78, 0x56, 0x34, 0x12}},
        Case{0x4c, kWzyx, {~0u, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff}},
        Case{0x43, kWzyx, Floats(1, 0, 0, 1), {0xff, 0xff, 0, 0}},
        Case{0x44, kWzyx, Floats(-1, 1, 0, 1), {0x01, 0x80, 0xff, 0x7f}},
        Case{0x45, kWzyx, Floats(1, -2, 0, 1), {0, 0x3c, 0, 0xc0}},
        Case{0x46, kWzyx, {0x1234, 0xffff, 0, 1}, {0x34, 0x12, 0xff, 0xff}},
        Case{0x47, kWzyx, {~1u, 2, 0, 1}, {0xfe, 0xff, 2, 0}}));

INSTANTIATE_TEST_SUITE_P(
    OneOrTwoChannels, StoredPixelTest,
    testing::Values(Case{0x02, kWzyx, Floats(0, 0, 0, 1), {0xff}},
                    Case{0x03, kWzyx, Floats(1, 0, 0, 1), {0xff}},
                    Case{0x04, kWzyx, Floats(-1, 0, 0, 1), {0x81}},
                    Case{0x05, kWzyx, {200, 0, 0, 1}, {200}},
                    Case{0x06, kWzyx, {~4u, 0, 0, 1}, {0xfb}},
                    Case{0x0f, kWzyx, Floats(0, 1, 0, 1), {0, 0xff}},
                    Case{0x10, kWzyx, Floats(1, -1, 0, 1), {0x7f, 0x81}},
                    Case{0x11, kWzyx, {1, 2, 0, 1}, {1, 2}},
                    Case{0x12, kWzyx, {~0u, 2, 0, 1}, {0xff, 2}},
                    Case{0x15, kWzyx, Floats(1, 0, 0, 1), {0xff, 0xff}},
                    Case{0x16, kWzyx, Floats(-1, 0, 0, 1), {0x01, 0x80}},
                    Case{0x17, kWzyx, Floats(0.5f, 0, 0, 1), {0, 0x38}},
                    Case{0x18, kWzyx, {0x1234, 0, 0, 1}, {0x34, 0x12}},
                    Case{0x19, kWzyx, {~0u, 0, 0, 1}, {0xff, 0xff}}));

INSTANTIATE_TEST_SUITE_P(
    SixtyFourBitsAndMore, StoredPixelTest,
    testing::Values(
        Case{0x60, kWzyx, Floats(1, 0, 0, 1), {255, 255, 0, 0, 0, 0, 255, 255}},
        Case{0x61, kWzyx, Floats(0, -1, 0, 1), {0, 0, 1, 128, 0, 0, 255, 127}},
        Case{0x62, kWzyx, Floats(1, 2, 4, 0), {0, 60, 0, 64, 0, 68, 0, 0}},
        Case{0x63, kWzyx, {1, 2, 3, 0x405}, {1, 0, 2, 0, 3, 0, 5, 4}},
        Case{0x64, kWzyx, {~0u, 2, 3, 4}, {255, 255, 2, 0, 3, 0, 4, 0}},
        Case{0x67, kWzyx, Floats(1, 2, 0, 1), {0, 0, 128, 63, 0, 0, 0, 64}},
        Case{0x68, kWzyx, {1, 2, 0, 1}, {1, 0, 0, 0, 2, 0, 0, 0}},
        Case{0x69, kWzyx, {~0u, 2, 0, 1}, {255, 255, 255, 255, 2, 0, 0, 0}},
        Case{0x82,
             kWzyx,
             Floats(1, 2, -1, 0),
             {0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 128, 191, 0, 0, 0, 0}},
        Case{0x83,
             kWzyx,
             {1, 2, 3, 0x04050607},
             {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 7, 6, 5, 4}},
        Case{0x84,
             kWzyx,
             {~0u, 2, 3, 4},
             {255, 255, 255, 255, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}}));

TEST(FormatTest, UnknownOnesAreNone) {
  for (const uint32_t code : {0u, 1u, 0x48u, 0xb0u, 0xffu, 0x130u}) {
    EXPECT_EQ(FindFormat(code), nullptr) << code;
  }
}

TEST(FormatTest, WidthsAddUp) {
  for (uint32_t code = 0; code < 256; ++code) {
    const Format* format = FindFormat(code);
    if (format == nullptr) continue;
    EXPECT_EQ(format->code, code);
    int bits = 0;
    for (const uint8_t width : format->bits) bits += width;
    if (code == 0x31) bits += 8;  // The X8.
    if (code == 0x35) bits += 5;  // The shared exponent.
    EXPECT_EQ(bits, format->bytes * 8) << format->name;
  }
}

// Every stored value of every width of UNORM: 5_5_5_1, 4_4_4_4, 5_6_5,
// 8_8_8_8, 10_10_10_2, 16.
TEST(FormatTest, UnormValuesAreQuotientsAndRoundToNearest) {
  struct Width {
    uint32_t format;
    size_t channel;
    uint32_t maximum;
  };
  for (const Width width :
       {Width{0x0a, 3, 1}, Width{0x36, 3, 3}, Width{0x08, 1, 15},
        Width{0x0a, 2, 31}, Width{0x0e, 1, 63}, Width{0x30, 2, 255},
        Width{0x36, 1, 1023}, Width{0x15, 0, 65535}}) {
    const PixelLayout layout = Layout(width.format);
    const auto reread = [&](double value) {
      Pixel pixel = Floats(0, 0, 0, 0);
      pixel[width.channel] = AsBits(static_cast<float>(value));
      const Pixel result = UnpackOne(layout, PackOne(layout, pixel));
      return static_cast<double>(AsFloat(result[width.channel]));
    };
    const double maximum = width.maximum;
    for (uint32_t i = 0; i <= width.maximum; ++i) {
      ASSERT_EQ(reread(i / maximum), static_cast<float>(i) / width.maximum);
      if (i == width.maximum) break;
      const float expected[] = {static_cast<float>(i) / width.maximum,
                                static_cast<float>(i + 1) / width.maximum};
      ASSERT_EQ(reread((i + 0.49) / maximum), expected[0]) << i;
      ASSERT_EQ(reread((i + 0.51) / maximum), expected[1]) << i;
    }
    EXPECT_EQ(reread(-1), 0);
    EXPECT_EQ(reread(2), 1);
    EXPECT_EQ(reread(kInfinity), 1);
    EXPECT_EQ(reread(kNan), 0);
  }
  // The only ties that floats can express: half of an odd maximum.
  EXPECT_EQ(PackOne(Layout(0x03), Floats(0.5f, 0, 0, 0)), Bytes{128});
  EXPECT_EQ(PackOne(Layout(0x0a), Floats(0, 0, 0, 0.5f)), (Bytes{0, 0}));
}

TEST(FormatTest, SnormValuesRoundToNearestAndHaveTwoMinusOnes) {
  const PixelLayout layout = Layout(0x04);
  for (int i = -127; i <= 127; ++i) {
    const float value = static_cast<float>(i) / 127;
    const Bytes bytes = {static_cast<uint8_t>(i)};
    ASSERT_EQ(PackOne(layout, Floats(value, 0, 0, 0)), bytes);
    ASSERT_EQ(UnpackOne(layout, bytes), Floats(value, 0, 0, 1));
  }
  EXPECT_EQ(UnpackOne(layout, {0x80}), Floats(-1, 0, 0, 1));
  EXPECT_EQ(PackOne(layout, Floats(-5, 0, 0, 0)), Bytes{0x81});
  EXPECT_EQ(PackOne(layout, Floats(5, 0, 0, 0)), Bytes{0x7f});
  EXPECT_EQ(PackOne(layout, Floats(kNan, 0, 0, 0)), Bytes{0});
  // 63.5 and -63.5.
  EXPECT_EQ(PackOne(layout, Floats(0.5f, 0, 0, 0)), Bytes{64});
  EXPECT_EQ(PackOne(layout, Floats(-0.5f, 0, 0, 0)), Bytes{0xc0});
}

TEST(FormatTest, IntegersAreClamped) {
  EXPECT_EQ(PackOne(Layout(0x05), {256, 0, 0, 0}), Bytes{255});
  EXPECT_EQ(PackOne(Layout(0x06), {128, 0, 0, 0}), Bytes{127});
  EXPECT_EQ(PackOne(Layout(0x06), {~128u, 0, 0, 0}), Bytes{0x80});
  EXPECT_EQ(PackOne(Layout(0x18), {~0u, 0, 0, 0}), (Bytes{0xff, 0xff}));
  EXPECT_EQ(PackOne(Layout(0x19), {1u << 31, 0, 0, 0}), (Bytes{0, 0x80}));
  EXPECT_EQ(PackOne(Layout(0x3a), {0, 0, 0, 9}), (Bytes{0, 0, 0, 0xc0}));
}

TEST(FormatTest, SrgbIsForColorOf8Bits) {
  const PixelLayout srgb = Layout(0x30, Swap::kWxyz, /*srgb=*/true);
  EXPECT_EQ(PackOne(srgb, Floats(0.5f, 0, 1, 0.5f)), (Bytes{255, 0, 188, 128}));
  const Pixel pixel = UnpackOne(srgb, {255, 0, 188, 128});
  EXPECT_NEAR(AsFloat(pixel[0]), 0.5029, 0.0001);
  EXPECT_EQ(AsFloat(pixel[1]), 0);
  EXPECT_EQ(AsFloat(pixel[2]), 1);
  EXPECT_EQ(AsFloat(pixel[3]), 128 / 255.f);
  const PixelLayout half = Layout(0x17, Swap::kWzyx, /*srgb=*/true);
  EXPECT_EQ(PackOne(half, Floats(0.5f, 0, 0, 0)), (Bytes{0, 0x38}));
}

TEST(FormatTest, DepthAndStencilMayBeUnorm) {
  EXPECT_EQ(AsUnorm(*FindFormat(0x91)).name, "8_8_8_8_UNORM");
  EXPECT_EQ(AsUnorm(*FindFormat(0xa0)).name, "8_8_8_8_UNORM");
  EXPECT_EQ(AsUnorm(*FindFormat(0x33)).name, "8_8_8_8_UINT");
}

TEST(FormatTest, BitCopiesKeepEveryBit) {
  EXPECT_TRUE(IsBitCopy(Layout(0x30), Layout(0x30)));
  EXPECT_TRUE(IsBitCopy(Layout(0x36), Layout(0x37)));
  EXPECT_TRUE(IsBitCopy(Layout(0xa0), Layout(0x33)));
  EXPECT_TRUE(IsBitCopy(Layout(0x35), Layout(0x35)));
  EXPECT_TRUE(IsBitCopy(Layout(0x0c), Layout(0x0a, kZyxw)));
  EXPECT_FALSE(IsBitCopy(Layout(0x0c), Layout(0x0a)));
  EXPECT_FALSE(IsBitCopy(Layout(0x30), Layout(0x30, kWxyz)));
  EXPECT_FALSE(IsBitCopy(Layout(0x30), Layout(0x30, kWzyx, /*srgb=*/true)));
  EXPECT_FALSE(IsBitCopy(Layout(0x30), Layout(0x33)));
  EXPECT_FALSE(IsBitCopy(Layout(0x30), Layout(0x31)));
  EXPECT_FALSE(IsBitCopy(Layout(0x31), Layout(0x31)));
  EXPECT_FALSE(IsBitCopy(Layout(0x04), Layout(0x04)));
  EXPECT_FALSE(IsBitCopy(Layout(0x35), Layout(0x4b)));
}

TEST(FormatTest, ChannelsOf8BitsAreReordered) {
  for (const Swap from : {kWzyx, kWxyz, kZyxw, kXyzw}) {
    for (const Swap to : {kWzyx, kWxyz, kZyxw, kXyzw}) {
      ASSERT_TRUE(IsReordering(Layout(0x30, from), Layout(0x30, to)));
      Bytes bytes = {1, 2, 3, 4, 5, 6, 7, 8};
      std::vector<Pixel> pixels(2);
      Unpack(Layout(0x30, from), bytes.data(), pixels);
      Bytes expected(8);
      Pack(Layout(0x30, to), pixels, expected.data());
      Reorder(Layout(0x30, from), Layout(0x30, to), bytes);
      EXPECT_EQ(bytes, expected);
    }
  }
  EXPECT_TRUE(IsReordering(Layout(0xa0), Layout(0x33, kXyzw)));
  EXPECT_FALSE(IsReordering(Layout(0x30), Layout(0x33)));
  EXPECT_FALSE(IsReordering(Layout(0x30), Layout(0x31)));
  EXPECT_FALSE(IsReordering(Layout(0x32), Layout(0x32, kWxyz)));
  EXPECT_FALSE(IsReordering(Layout(0x30), Layout(0x30, kWxyz, /*srgb=*/true)));
}

TEST(FormatTest, RowsOfPixelsAreOneAfterTheOther) {
  const PixelLayout layout = Layout(0x0e);
  const std::vector<Pixel> pixels = {Floats(1, 0, 0, 1), Floats(0, 1, 0, 1),
                                     Floats(0, 0, 1, 1)};
  Bytes bytes(6);
  Pack(layout, pixels, bytes.data());
  EXPECT_EQ(bytes, (Bytes{0x1f, 0, 0xe0, 0x07, 0, 0xf8}));
  std::vector<Pixel> reread(3);
  Unpack(layout, bytes.data(), reread);
  EXPECT_EQ(reread, pixels);
}

}  // namespace
}  // namespace nacre::simulator
