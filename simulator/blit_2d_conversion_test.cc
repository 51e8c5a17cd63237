// Copies of a pixel from one format to another.

#include <cstdint>
#include <cstring>
#include <ios>
#include <ostream>
#include <vector>

#include "simulator/blit_2d_fixture.h"

namespace nacre::simulator {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kSrgb = 1;
constexpr uint32_t kHalf = 3;
constexpr uint32_t kFloat = 4;
constexpr uint32_t kInt8 = 5;
constexpr uint32_t kInt16 = 6;
constexpr uint32_t kInt32 = 7;
constexpr uint32_t kUnorm8 = 0x10;

// One pixel, stored in another way.
struct Conversion {
  Picture from;
  Bytes source;
  Picture to;
  uint32_t internal_format;
  Bytes target;
};

void PrintTo(const Conversion& c, std::ostream* out) {
  *out << std::hex << c.from.format << " to " << c.to.format;
}

class Blit2dConversionTest : public Blit2dFixture,
                             public testing::WithParamInterface<Conversion> {};

TEST_P(Blit2dConversionTest, KeepsTheValue) {
  const Conversion& c = GetParam();
  Picture from = c.from;
  Picture to = c.to;
  from.iova = kSource;
  to.iova = kTarget;
  const Area pixel = {.width = 1, .height = 1};
  for (const uint32_t rotation : {0u, 2u}) {
    std::memcpy(source_.data(), c.source.data(), c.source.size());
    ASSERT_EQ(
        Copy(from, pixel, to, pixel,
             {.internal_format = c.internal_format, .rotation = rotation}),
        Hang::kNone);
    EXPECT_EQ(Bytes(target_.data(), target_.data() + c.target.size()),
              c.target);
    EXPECT_EQ(target_.data()[c.target.size()], kUntouched);
    EXPECT_EQ(stats_.blits, 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Normalized, Blit2dConversionTest,
    testing::Values(
        Conversion{{}, {1, 2, 3, 4}, {}, kUnorm8, {1, 2, 3, 4}},
        Conversion{{}, {1, 2, 3, 4}, {.swap = 1}, kUnorm8, {3, 2, 1, 4}},
        Conversion{
            {.swap = 3}, {1, 2, 3, 4}, {.swap = 2}, kUnorm8, {1, 4, 3, 2}},
        Conversion{{.format = 0x31}, {1, 2, 3, 4}, {}, kUnorm8, {1, 2, 3, 255}},
        Conversion{
            {.format = 0x0e}, {0x1f, 0x04}, {}, kUnorm8, {255, 130, 0, 255}},
        Conversion{{}, {255, 130, 0, 9}, {.format = 0x0e}, kUnorm8, {0x1f, 4}},
        Conversion{{},
                   {255, 0, 132, 255},
                   {.format = 0x0a, .swap = 1},
                   kUnorm8,
                   {0x10, 0xfc}},
        Conversion{{},
                   {0x11, 0x22, 0x33, 0x44},
                   {.format = 8, .swap = 1},
                   kUnorm8,
                   {0x23, 0x41}},
        Conversion{{.format = 3}, {7}, {}, kUnorm8, {7, 0, 0, 255}},
        Conversion{{.format = 2}, {7}, {}, kUnorm8, {0, 0, 0, 7}},
        Conversion{{}, {1, 2, 3, 4}, {.format = 2}, kUnorm8, {4}},
        // 1/3 * 1023 = 341, 2/3 of 3 is 2.
        Conversion{{},
                   {0x55, 0, 255, 0xaa},
                   {.format = 0x37},
                   kHalf,
                   {0x55, 0x01, 0xf0, 0xbf}},
        Conversion{{.format = 0x36},
                   {0x55, 0x01, 0xf0, 0xbf},
                   {},
                   kUnorm8,
                   {0x55, 0, 255, 0xaa}},
        Conversion{{}, {128, 0, 0, 0}, {.format = 0x15}, kFloat, {0x80, 0x80}},
        Conversion{
            {.format = 0x15}, {0x80, 0x80}, {}, kUnorm8, {128, 0, 0, 255}},
        // The lowest value is -1 too: the engine does not give it back.
        Conversion{{.format = 4}, {0x80}, {.format = 4}, kUnorm8, {0x81}},
        Conversion{{.format = 4}, {0xc1}, {.format = 3}, kUnorm8, {0}},
        Conversion{{.format = 4}, {127}, {.format = 3}, kUnorm8, {255}}));

INSTANTIATE_TEST_SUITE_P(
    SrgbOrFloat, Blit2dConversionTest,
    testing::Values(
        Conversion{{.srgb = true},
                   {188, 0, 255, 128},
                   {},
                   kUnorm8,
                   {128, 0, 255, 128}},
        Conversion{
            {}, {128, 0, 255, 128}, {.srgb = true}, kSrgb, {188, 0, 255, 128}},
        Conversion{{.srgb = true},
                   {1, 99, 200, 3},
                   {.swap = 1, .srgb = true},
                   kSrgb,
                   {200, 99, 1, 3}},
        Conversion{{},
                   {255, 0, 51, 0},
                   {.format = 0x62},
                   kHalf,
                   {0, 0x3c, 0, 0, 0x66, 0x32, 0, 0}},
        Conversion{{.format = 0x62},
                   {0, 0x3c, 0, 0, 0x66, 0x32, 0, 0},
                   {},
                   kUnorm8,
                   {255, 0, 51, 0}},
        Conversion{{.format = 0x17},
                   {0, 0xc0},
                   {.format = 0x4a},
                   kFloat,
                   {0, 0, 0, 0xc0}},
        Conversion{{.format = 0x4a},
                   {0, 0, 0, 0xc0},
                   {.format = 0x17},
                   kHalf,
                   {0, 0xc0}},
        Conversion{{.format = 0x42},
                   {0xc0, 3, 0, 0x80},
                   {.format = 0x62},
                   kHalf,
                   {0, 0x3c, 0, 0, 0, 0x40, 0, 0x3c}},
        Conversion{{.format = 0x35},
                   {0, 1, 0, 0x80},
                   {.format = 0x4a},
                   kFloat,
                   {0, 0, 0x80, 0x3f}},
        Conversion{{.format = 0x82},
                   {0, 0, 0x80, 0x3f, 0, 0, 0x80, 0xbf, 0, 0, 0xc0, 0x7f, 0, 0,
                    0, 0x40},
                   {},
                   kUnorm8,
                   {255, 0, 0, 255}}));

INSTANTIATE_TEST_SUITE_P(
    Integers, Blit2dConversionTest,
    testing::Values(
        Conversion{
            {.format = 0x05}, {200}, {.format = 0x4b}, kInt32, {200, 0, 0, 0}},
        Conversion{
            {.format = 0x4b}, {0x2c, 1, 0, 0}, {.format = 0x05}, kInt8, {255}},
        Conversion{
            {.format = 0x06}, {0xfe}, {.format = 0x19}, kInt16, {0xfe, 0xff}},
        Conversion{{.format = 0x33, .swap = 3},
                   {9, 2, 3, 4},
                   {.format = 5},
                   kInt8,
                   {4}},
        Conversion{{.format = 0x83},
                   {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
                   {.format = 0x83},
                   kInt32,
                   {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}));

// turnip: D24S8 is 8_8_8_8_UNORM or its alias, S8 next to it is A8.
INSTANTIATE_TEST_SUITE_P(
    DepthStencil, Blit2dConversionTest,
    testing::Values(
        Conversion{{}, {1, 2, 3, 4}, {.format = 0x91}, kUnorm8, {1, 2, 3, 4}},
        Conversion{{.format = 0x91}, {1, 2, 3, 4}, {}, kUnorm8, {1, 2, 3, 4}},
        Conversion{{.format = 0x91}, {1, 2, 3, 4}, {.format = 2}, kUnorm8, {4}},
        Conversion{{.format = 0xa0},
                   {1, 2, 3, 4},
                   {.format = 0x91},
                   kInt8,
                   {1, 2, 3, 4}}));

}  // namespace
}  // namespace nacre::simulator
