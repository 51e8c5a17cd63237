// Fills, and what the engine refuses.

#include "simulator/blit_2d.h"

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "simulator/blit_2d_fixture.h"

namespace nacre::simulator {
namespace {

using Bytes = std::vector<uint8_t>;

class Blit2dTest : public Blit2dFixture {
 protected:
  static constexpr Picture kLinear = {.iova = kTarget};
};

// abi D.9, word by word.
TEST_F(Blit2dTest, FillAndCopyVectors) {
  EXPECT_EQ(Run(Stream()
                    .Raw({0x408C0001, 0x10F03080, 0x48840001, 0x10F03080})
                    .Raw({0x48ACC001, 0x0000F180, 0x488C0101, 0})
                    .Raw({0x408C1704, 0x30, Low(kSource), High(kSource), 4})
                    .Raw({0x488C2C04, 0x11, 0x22, 0x33, 0x44})
                    .Raw({0x48840502, 0, 0x001F003F, 0x702C0001, 3})
                    .Raw({0x408C0001, 0x10F03000, 0x48840001, 0x10F03000})
                    .Raw({0x408C1704, 0x30, Low(kTarget), High(kTarget), 4})
                    .Raw({0x48B4C085, 0x00500030, 0x00100040, Low(kSource),
                          High(kSource), 0x00000800})
                    .Raw({0x40840104, 0, 0x00003F00, 0, 0x00001F00})
                    .Raw({0x48840502, 0, 0x001F003F, 0x702C0001, 3})),
            Hang::kNone);
  for (uint32_t y = 0; y < 32; ++y) {
    for (uint32_t x = 0; x < 64; ++x) {
      ASSERT_EQ(SourceDword(x, y), 0x44332211u) << x << ", " << y;
      ASSERT_EQ(TargetDword(x, y), 0x44332211u) << x << ", " << y;
    }
  }
  EXPECT_EQ(SourceDword(0, 32), 0xccccccccu);
  EXPECT_EQ(TargetDword(0, 32), 0xccccccccu);
  EXPECT_EQ(stats_.blits, 2u);
  EXPECT_EQ(stats_.blit_pixels, 4096u);
  EXPECT_EQ(stats_.memory_writes, 4096u);
  EXPECT_EQ(stats_.blits_not_executed, 0u);
  EXPECT_TRUE(stats_.packets_not_executed.empty());
}

TEST_F(Blit2dTest, FillsItsRectangleAndNothingElse) {
  ASSERT_EQ(Fill(kLinear, {.x = 3, .y = 2, .width = 5, .height = 4},
                 {0x11, 0x22, 0x33, 0x44}),
            Hang::kNone);
  for (uint32_t y = 0; y < 10; ++y) {
    for (uint32_t x = 0; x < 64; ++x) {
      const bool inside = x >= 3 && x < 8 && y >= 2 && y < 6;
      ASSERT_EQ(TargetDword(x, y), inside ? 0x44332211 : 0xcccccccc);
    }
  }
}

TEST_F(Blit2dTest, TheScissorCutsTheRectangle) {
  ASSERT_EQ(Fill(kLinear, {.x = 3, .y = 2, .width = 5, .height = 4},
                 {0x11, 0x22, 0x33, 0x44},
                 {.scissor = Area{.x = 5, .y = 0, .width = 100, .height = 4}}),
            Hang::kNone);
  for (uint32_t y = 0; y < 10; ++y) {
    for (uint32_t x = 0; x < 64; ++x) {
      const bool inside = x >= 5 && x < 8 && y >= 2 && y < 4;
      ASSERT_EQ(TargetDword(x, y), inside ? 0x44332211 : 0xcccccccc);
    }
  }
  EXPECT_EQ(stats_.blit_pixels, 6u);
  ASSERT_EQ(
      Fill(kLinear, {.x = 3, .y = 2, .width = 5, .height = 4}, {0, 0, 0, 0},
           {.scissor = Area{.x = 20, .y = 0, .width = 1, .height = 1}}),
      Hang::kNone);
  EXPECT_EQ(stats_.blits, 1u);
  EXPECT_EQ(stats_.blit_pixels, 0u);
}

TEST_F(Blit2dTest, ChannelsThatAreMaskedOffAreZero) {
  ASSERT_EQ(Fill(kLinear, {.width = 1, .height = 1}, {0x11, 0x22, 0x33, 0x44},
                 {.channels = 0x5}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0x00330011u);
}

// Mesa: depth or stencil of D24S8 alone.
TEST_F(Blit2dTest, DepthOrStencilIsKept) {
  constexpr Picture kDepth = {.iova = kTarget, .format = 0x91};
  const Area area = {.width = 2, .height = 2};
  ASSERT_EQ(Fill(kDepth, area, {1, 2, 3, 4}, {.partial_write = 0x08000041}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0xcc030201u);
  EXPECT_EQ(TargetDword(1, 1), 0xcc030201u);
  EXPECT_EQ(TargetDword(2, 1), 0xccccccccu);
  ASSERT_EQ(Fill(kDepth, area, {5, 6, 7, 8},
                 {.internal_format = 5, .partial_write = 0x00084001}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0x08030201u);
  EXPECT_EQ(TargetDword(1, 1), 0x08030201u);
}

// Tiled and compressed surfaces are stored as linear ones (surface.h).
TEST_F(Blit2dTest, TilingAndFlagsChangeNothing) {
  ASSERT_EQ(Fill({.iova = kTarget, .tile = 3, .flags = true},
                 {.x = 1, .y = 1, .width = 1, .height = 1}, {1, 2, 3, 4}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(1, 1), 0x04030201u);
}

struct FillCase {
  uint32_t format;
  uint32_t swap;
  uint32_t internal_format;
  std::array<uint32_t, 4> color;
  Bytes bytes;
};

void PrintTo(const FillCase& c, std::ostream* out) {
  *out << "format " << std::hex << c.format << " swap " << c.swap;
}

class FillTest : public Blit2dTest,
                 public testing::WithParamInterface<FillCase> {};

TEST_P(FillTest, StoresTheColor) {
  const FillCase& c = GetParam();
  const size_t cpp = c.bytes.size();
  const Picture picture = {
      .iova = kTarget, .format = c.format, .pitch = 256, .swap = c.swap};
  ASSERT_EQ(Fill(picture, {.x = 1, .y = 1, .width = 3, .height = 2}, c.color,
                 {.internal_format = c.internal_format}),
            Hang::kNone);
  EXPECT_EQ(stats_.blits, 1u);
  Bytes row(cpp, kUntouched);
  for (int i = 0; i < 3; ++i) {
    row.insert(row.end(), c.bytes.begin(), c.bytes.end());
  }
  row.insert(row.end(), cpp, kUntouched);
  EXPECT_EQ(TargetBytes(picture, 0, 0, cpp, row.size()),
            Bytes(row.size(), kUntouched));
  EXPECT_EQ(TargetBytes(picture, 0, 1, cpp, row.size()), row);
  EXPECT_EQ(TargetBytes(picture, 0, 2, cpp, row.size()), row);
  EXPECT_EQ(TargetBytes(picture, 0, 3, cpp, row.size()),
            Bytes(row.size(), kUntouched));
}

constexpr std::array<uint32_t, 4> k8 = {0x11, 0x22, 0x33, 0x44};
constexpr uint32_t kUnorm8 = 0x10;
constexpr uint32_t kSrgb = 1;
constexpr uint32_t kHalf = 3;
constexpr uint32_t kFloat = 4;
constexpr uint32_t kInt8 = 5;
constexpr uint32_t kInt16 = 6;
constexpr uint32_t kInt32 = 7;

// The internal formats are those of Mesa: fd6_ifmt, format_to_ifmt.
INSTANTIATE_TEST_SUITE_P(
    Unorm8, FillTest,
    testing::Values(
        FillCase{0x02, 0, kUnorm8, k8, {0x44}},
        FillCase{0x03, 0, kUnorm8, k8, {0x11}},
        FillCase{0x04, 0, kUnorm8, {0x81, 0, 0, 0}, {0x81}},
        // float_to_byte_tex gives signed ones all their bits.
        FillCase{0x04, 0, kUnorm8, {~0u, 0, 0, 0}, {0xff}},
        FillCase{0x0f, 0, kUnorm8, k8, {0x11, 0x22}},
        FillCase{0x10, 0, kUnorm8, {127, 0x80, 0, 0}, {127, 0x81}},
        FillCase{0x30, 0, kUnorm8, k8, {0x11, 0x22, 0x33, 0x44}},
        FillCase{0x30, 1, kUnorm8, k8, {0x33, 0x22, 0x11, 0x44}},
        FillCase{0x30, 2, kUnorm8, k8, {0x44, 0x11, 0x22, 0x33}},
        FillCase{0x30, 3, kUnorm8, k8, {0x44, 0x33, 0x22, 0x11}},
        FillCase{0x31, 0, kUnorm8, k8, {0x11, 0x22, 0x33, 0}},
        FillCase{0x32, 0, kUnorm8, {1, 2, 0x81, 127}, {1, 2, 0x81, 127}},
        FillCase{0x91, 0, kUnorm8, k8, {0x11, 0x22, 0x33, 0x44}},
        // 0x11 is 1 of 15 exactly, 0x84 of 255 is 16.05 of 31.
        FillCase{0x08, 0, kUnorm8, k8, {0x21, 0x43}},
        FillCase{0x08, 1, kUnorm8, k8, {0x23, 0x41}},
        FillCase{0x0a, 0, kUnorm8, {0x84, 0, 255, 255}, {0x10, 0xfc}},
        FillCase{0x0a, 1, kUnorm8, {0x84, 0, 255, 127}, {0x1f, 0x40}},
        FillCase{0x0e, 0, kUnorm8, {255, 0x80, 0, 0}, {0x1f, 0x04}},
        FillCase{0x0e, 1, kUnorm8, {255, 0x80, 0, 0}, {0x00, 0xfc}}));

INSTANTIATE_TEST_SUITE_P(
    Floats, FillTest,
    testing::Values(
        FillCase{0x15, 0, kFloat, {0x3f800000, 0, 0, 0}, {0xff, 0xff}},
        // 1/2 of 65535 is between two: the even one.
        FillCase{0x15, 0, kFloat, {0x3f000000, 0, 0, 0}, {0x00, 0x80}},
        FillCase{0x16, 0, kFloat, {0xbf800000, 0, 0, 0}, {0x01, 0x80}},
        FillCase{0x43, 0, kFloat, {0, 0x40000000, 0, 0}, {0, 0, 0xff, 0xff}},
        FillCase{
            0x4a, 0, kFloat, {0x3eaaaaab, 0, 0, 0}, {0xab, 0xaa, 0xaa, 0x3e}},
        FillCase{0x67, 0, kFloat, {1, 2, 3, 4}, {1, 0, 0, 0, 2, 0, 0, 0}},
        FillCase{0x82,
                 0,
                 kFloat,
                 {1, 2, 3, 0xff800000},
                 {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0x80, 0xff}},
        FillCase{0x60,
                 0,
                 kFloat,
                 {0, 0x3f800000, 0, 0},
                 {0, 0, 0xff, 0xff, 0, 0, 0, 0}},
        FillCase{0x17, 0, kHalf, {0x3c01, 0, 0, 0}, {0x01, 0x3c}},
        FillCase{0x45, 0, kHalf, {0xbc00, 0x7c00, 0, 0}, {0, 0xbc, 0, 0x7c}},
        FillCase{0x62, 0, kHalf, {1, 2, 3, 4}, {1, 0, 2, 0, 3, 0, 4, 0}},
        // 1, 0, 2: 0x3c0 | 0x200 << 22.
        FillCase{0x42, 0, kHalf, {0x3c00, 0, 0x4000, 0}, {0xc0, 3, 0, 0x80}},
        FillCase{0x37, 0, kHalf, {0x3c00, 0, 0, 0x3c00}, {0xff, 3, 0, 0xc0}},
        FillCase{0x37, 1, kHalf, {0x3c00, 0, 0, 0x3c00}, {0, 0, 0xf0, 0xff}}));

INSTANTIATE_TEST_SUITE_P(
    Integers, FillTest,
    testing::Values(
        FillCase{0x05, 0, kInt8, {0xfe, 0, 0, 0}, {0xfe}},
        FillCase{0x06, 0, kInt8, {~1u, 0, 0, 0}, {0xfe}},
        FillCase{0x11, 0, kInt8, {1, 2, 3, 4}, {1, 2}},
        FillCase{0x33, 0, kInt8, {1, 2, 3, 4}, {1, 2, 3, 4}},
        FillCase{0x33, 3, kInt8, {1, 2, 3, 4}, {4, 3, 2, 1}},
        FillCase{0x34, 0, kInt8, {~0u, 2, ~127u, 4}, {0xff, 2, 0x80, 4}},
        FillCase{0x91, 0, kInt8, {1, 2, 3, 4}, {1, 2, 3, 4}},
        FillCase{0xa0, 0, kInt8, {1, 2, 3, 4}, {1, 2, 3, 4}},
        FillCase{0x18, 0, kInt16, {0x1234, 0, 0, 0}, {0x34, 0x12}},
        FillCase{0x19, 0, kInt16, {~0u, 0, 0, 0}, {0xff, 0xff}},
        FillCase{0x46, 0, kInt16, {1, 0x203, 0, 0}, {1, 0, 3, 2}},
        FillCase{0x3a, 0, kInt16, {0x3ff, 0, 0, 3}, {0xff, 3, 0, 0xc0}},
        FillCase{0x63, 0, kInt16, {1, 2, 3, 0x405}, {1, 0, 2, 0, 3, 0, 5, 4}},
        FillCase{
            0x4b, 0, kInt32, {0x12345678, 0, 0, 0}, {0x78, 0x56, 0x34, 0x12}},
        FillCase{0x4c, 0, kInt32, {~0u, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}},
        FillCase{0x68, 0, kInt32, {1, 2, 0, 0}, {1, 0, 0, 0, 2, 0, 0, 0}},
        FillCase{0x83,
                 0,
                 kInt32,
                 {1, 2, 3, 4},
                 {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}}));

// Drivers encode the color (Mesa convert_color, r2d_clear_value).
TEST_F(Blit2dTest, ColorsOfSrgbAreStoredAsGiven) {
  ASSERT_EQ(Fill({.iova = kTarget, .srgb = true}, {.width = 1, .height = 1},
                 {0x80, 0x40, 0x20, 0x10}, {.internal_format = kSrgb}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0x10204080u);
}

// turnip vkCmdFillBuffer: 32_UINT, one row without a pitch, from an offset.
TEST_F(Blit2dTest, BuffersAreFilledAsARow) {
  ASSERT_EQ(Fill({.iova = kTarget, .format = 0x4b, .pitch = 0},
                 {.x = 5, .width = 0x4000 - 5, .height = 1}, {7, 0, 0, 0},
                 {.internal_format = kInt32}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(4, 0), 0xccccccccu);
  EXPECT_EQ(TargetDword(5, 0), 7u);
  EXPECT_EQ(TargetDword(0x3fff, 0), 7u);
  EXPECT_EQ(TargetDword(0x4000, 0), 0xccccccccu);
}

TEST_F(Blit2dTest, WhatIsMissingIsNamed) {
  const Area area = {.width = 4, .height = 4};
  const Picture target = {.iova = kTarget};
  const Picture source = {.iova = kSource};
  Fill({.iova = kTarget, .format = 0x8e}, area, {});
  EXPECT_EQ(Missing(), "CP_BLIT to format 0x8e");
  Copy({.iova = kSource, .format = 0xb0}, area, target, area);
  EXPECT_EQ(Missing(), "CP_BLIT from format 0xb0");
  Fill({.iova = kTarget, .samples = 2}, area, {});
  EXPECT_EQ(Missing(), "CP_BLIT to several samples");
  Fill(target, area, {}, {.internal_format = 0});
  EXPECT_EQ(Missing(), "CP_BLIT internal format");
  Fill(target, area, {}, {.internal_format = kInt8});
  EXPECT_EQ(Missing(), "CP_BLIT between integers and other numbers");
  Copy({.iova = kSource, .format = 0x33}, area, target, area);
  EXPECT_EQ(Missing(), "CP_BLIT between integers and other numbers");
  Copy(source, area, target, area, {.rotation = 6});
  EXPECT_EQ(Missing(), "CP_BLIT rotation");
  Fill(target, area, {}, {.partial_write = 1});
  EXPECT_EQ(Missing(), "CP_BLIT RB_2D_UNKNOWN_8C01");
  Fill({.iova = kTarget, .format = 0x03}, area, {},
       {.partial_write = 0x00084001});
  EXPECT_EQ(Missing(), "CP_BLIT RB_2D_UNKNOWN_8C01");
  Copy(source, {.x = 10, .width = 0, .height = 4}, target, area);
  EXPECT_EQ(Missing(), "CP_BLIT from an empty rectangle");
  Run(Stream().Command(Opcode::kBlit, {2}));
  EXPECT_EQ(Missing(), "CP_BLIT operation 2");
  Run(Stream().Command(Opcode::kBlit, {1, 0, 0, 0, 0}));
  EXPECT_EQ(Missing(), "CP_BLIT with coordinates");
  EXPECT_EQ(Run(Stream().Command(Opcode::kBlit, {})), Hang::kShortPacket);
  EXPECT_EQ(TargetDword(0, 0), 0xccccccccu);
}

// A surface that its buffer does not hold: what is there, and no further.
TEST_F(Blit2dTest, NothingBeyondTheBufferIsReached) {
  ASSERT_EQ(Fill({.iova = kTarget + kPictureSize - 256},
                 {.width = 100, .height = 2}, {1, 2, 3, 4}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, kPictureSize / 256 - 1), 0x04030201u);
  EXPECT_EQ(stats_.unmapped_writes, 36u + 100);
  ASSERT_EQ(Copy({.iova = kUnmapped}, {.width = 8, .height = 2},
                 {.iova = kTarget}, {.width = 8, .height = 2}),
            Hang::kNone);
  EXPECT_EQ(TargetDword(0, 0), 0u);
  EXPECT_EQ(stats_.unmapped_reads, 16u);
}

// What a submission may keep the simulator busy with.
TEST_F(Blit2dTest, HugeBlitsRunOutOfWork) {
  const Area huge = {.width = 0x4000, .height = 0x4000};
  const Picture target = {.iova = kUnmapped, .format = 0x82};
  EXPECT_EQ(Fill(target, huge, {}, {.internal_format = kFloat}),
            Hang::kWorkLimit);
  EXPECT_EQ(Copy({.iova = kSource}, {.width = 1, .height = 1}, target, huge,
                 {.internal_format = kFloat}),
            Hang::kWorkLimit);
  EXPECT_EQ(Copy({.iova = kSource, .format = 0x82}, huge, target, huge,
                 {.internal_format = kFloat}),
            Hang::kWorkLimit);
  EXPECT_EQ(stats_.blits, 0u);
}

}  // namespace
}  // namespace nacre::simulator
