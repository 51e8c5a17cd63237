#include "simulator/gmem.h"

#include <cstdint>
#include <vector>

#include "simulator/command_processor.h"
#include "simulator/event_packets.h"
#include "simulator/packets_fixture.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kRgba8 = 0x30;
constexpr uint32_t kUint32 = 0x4b;
constexpr uint32_t kZ24S8 = 0xa0;

// a6xx_blit_event_type.
constexpr uint32_t kStore = 0;
constexpr uint32_t kStoreAndClear = 1;
constexpr uint32_t kClear = 2;
constexpr uint32_t kLoad = 3;
// Other fields of RB_BLIT_INFO.
constexpr uint32_t kSample0 = 1 << 2;
constexpr uint32_t kDepth = 1 << 3;
constexpr uint32_t ClearMask(uint32_t mask) { return mask << 4; }
constexpr uint32_t kAll = ClearMask(0xf);

// What a driver says before the event.
struct Registers {
  uint32_t info = kStore;
  uint32_t format = kRgba8;
  uint32_t swap = 0;
  uint32_t samples = 0;       // Of memory: log2.
  uint32_t gmem_samples = 0;  // Likewise.
  uint32_t base = 0;          // In GMEM.
  uint64_t iova = 0;
  uint32_t pitch = 64;
  std::vector<uint32_t> color = {0, 0, 0, 0};
  uint32_t scissor_x = 0, scissor_y = 0, scissor_right = 31,
           scissor_bottom = 15;
  uint32_t offset_x = 0, offset_y = 0;
  uint32_t bin_width = 32, bin_height = 16;
};

class GmemTest : public PacketsFixture {
 protected:
  static constexpr uint64_t kGmemBase = 0x100000;
  static constexpr uint32_t kGmemSize = 0x20000;

  GmemTest() {
    EXPECT_TRUE(state_.memory.AddGmem(kGmemBase, kGmemSize).ok());
    state_.work_left = 1'000'000;
  }

  void Write(uint32_t reg, uint32_t value) {
    state_.registers.Write(reg, value);
  }
  void Write(const Registers& registers) {
    Write(0x8800, registers.bin_width / 32 | registers.bin_height / 16 << 8);
    Write(0x8890, registers.offset_x | registers.offset_y << 16);
    Write(0x88d1, registers.scissor_x | registers.scissor_y << 16);
    Write(0x88d2, registers.scissor_right | registers.scissor_bottom << 16);
    Write(0x88d5, registers.gmem_samples << 3);
    Write(0x88d6, registers.base);
    Write(0x88d7,
          registers.samples << 3 | registers.swap << 5 | registers.format << 7);
    Write(0x88d8, Low(registers.iova));
    Write(0x88d9, High(registers.iova));
    Write(0x88da, registers.pitch >> 6);
    for (uint32_t i = 0; i < 4; ++i) Write(0x88df + i, registers.color[i]);
    Write(0x88e3, registers.info);
  }
  Hang Run(const Registers& registers) {
    Write(registers);
    return EventWrite(state_, std::vector<uint32_t>{30});
  }
  // Stores all of the tile to dwords kOut...
  void StoreTile(Registers registers = {}) {
    registers.info = kStore;
    registers.iova = IovaOf(kOut);
    registers.pitch = 128;
    EXPECT_EQ(Run(registers), Hang::kNone);
  }
  uint32_t Stored(uint32_t x, uint32_t y) const {
    return Dword(kOut + size_t{y} * 32 + x);
  }
  void FillMemory(uint32_t value) {
    for (size_t i = 0; i < kSize / 4; ++i) Dword(i) = value;
  }

  static constexpr size_t kOut = 0x2000;
};

// abi D.9: the GMEM clear and the store of a bin, as packets.
TEST_F(GmemTest, ClearAndStoreVectors) {
  const auto processor = *CommandProcessor::Create(
      {.gmem_base = kGmemBase, .gmem_size = kGmemSize});
  Stream stream;
  stream.Raw({0x48880001, 0x202, 0x4888D102, 0, 0x001F003F})
      .Raw({0x48889001, 0, 0x4888D701, 0x1800, 0x4088E301, 0xF2})
      .Raw({0x4088D601, 0, 0x4088DF04, 0x44332211, 0, 0, 0})
      .Raw({0x70460001, 0x1E, 0x4088E301, 0})
      .Raw({0x4888D785, 0x1800, Lo(0x1000), Hi(0x1000), 4, 0})
      .Raw({0x4088D601, 0, 0x70460001, 0x1E});
  size_t next = 0;
  for (const uint32_t dword : stream.dwords()) Dword(next++) = dword;
  const IndirectBuffer buffer{kIova, static_cast<uint32_t>(next)};
  EXPECT_EQ(processor->Run(space_, {&buffer, 1}), Hang::kNone);
  for (size_t i = 0; i < 64 * 32; ++i) {
    ASSERT_EQ(Dword(0x1000 + i), 0x44332211u) << i;
  }
  EXPECT_EQ(Dword(0x1000 - 1), 0u);
  EXPECT_EQ(Dword(0x1000 + 64 * 32), 0u);
  const CommandProcessorStats stats = processor->TakeStats();
  EXPECT_EQ(stats.clears, 1u);
  EXPECT_EQ(stats.stores, 1u);
  EXPECT_EQ(stats.tile_pixels, 2u * 64 * 32);
  EXPECT_EQ(stats.resolves_not_executed, 0u);
}

TEST_F(GmemTest, TheScissorBoundsWhatIsCleared) {
  EXPECT_EQ(Run({.info = kClear | kAll, .color = {7, 0, 0, 0}}), Hang::kNone);
  EXPECT_EQ(Run({.info = kClear | kAll,
                 .color = {9, 0, 0, 0},
                 .scissor_x = 1,
                 .scissor_y = 2,
                 .scissor_right = 3,
                 .scissor_bottom = 4}),
            Hang::kNone);
  StoreTile();
  for (uint32_t y = 0; y < 16; ++y) {
    for (uint32_t x = 0; x < 32; ++x) {
      const bool inside = x >= 1 && x <= 3 && y >= 2 && y <= 4;
      ASSERT_EQ(Stored(x, y), inside ? 9u : 7u) << x << ", " << y;
    }
  }
}

// Memory is addressed by the picture's pixels, GMEM by the tile's.
TEST_F(GmemTest, TilesAreStoredAtTheirOffset) {
  EXPECT_EQ(Run({.info = kClear | kAll, .color = {1, 0, 0, 0}}), Hang::kNone);
  Dword(17 * 64 + 33) = 5;
  Registers tile{.iova = kIova,
                 .pitch = 256,
                 .scissor_right = 34,
                 .scissor_bottom = 17,
                 .offset_x = 32,
                 .offset_y = 16};
  tile.info = kLoad;
  EXPECT_EQ(Run(tile), Hang::kNone);
  StoreTile();
  // Two pixels of padding come along, the tile's other ones stay.
  EXPECT_EQ(Stored(1, 1), 5u);
  EXPECT_EQ(Stored(0, 0), 0u);
  EXPECT_EQ(Stored(2, 1), 0u);
  EXPECT_EQ(Stored(3, 1), 1u);
  EXPECT_EQ(Stored(0, 2), 1u);

  FillMemory(0xee);
  tile.info = kStore;
  EXPECT_EQ(Run(tile), Hang::kNone);
  EXPECT_EQ(Dword(17 * 64 + 33), 5u);
  EXPECT_EQ(Dword(17 * 64 + 31), 0xeeu);
  EXPECT_EQ(Dword(17 * 64 + 34), 0u);
  EXPECT_EQ(Dword(17 * 64 + 35), 0xeeu);
  EXPECT_EQ(Dword(18 * 64 + 33), 0xeeu);
}

TEST_F(GmemTest, BuffersOfAPassLieAtTheirBase) {
  EXPECT_EQ(Run({.info = kClear | kAll, .base = 0x1000, .color = {1, 0, 0, 0}}),
            Hang::kNone);
  EXPECT_EQ(Run({.info = kClear | kAll, .base = 0x2000, .color = {2, 0, 0, 0}}),
            Hang::kNone);
  StoreTile({.base = 0x1000});
  EXPECT_EQ(Stored(31, 15), 1u);
  StoreTile({.base = 0x2000});
  EXPECT_EQ(Stored(0, 0), 2u);
}

// abi D.5: GMEM is WZYX; the swap is that of memory.
TEST_F(GmemTest, StoresAndLoadsSwap) {
  constexpr uint32_t kStored[] = {0x44332211, 0x44112233, 0x33221144,
                                  0x11223344};
  for (uint32_t swap = 0; swap < 4; ++swap) {
    EXPECT_EQ(Run({.info = kClear | kAll, .color = {0x44332211, 0, 0, 0}}),
              Hang::kNone);
    StoreTile({.swap = swap});
    EXPECT_EQ(Stored(3, 3), kStored[swap]) << swap;
    EXPECT_EQ(Run({.info = kClear | kAll}), Hang::kNone);
    EXPECT_EQ(
        Run({.info = kLoad, .swap = swap, .iova = IovaOf(kOut), .pitch = 128}),
        Hang::kNone);
    StoreTile();
    EXPECT_EQ(Stored(3, 3), 0x44332211u) << swap;
  }
}

TEST_F(GmemTest, SwapsOfOtherChannels) {
  constexpr uint32_t kRgb565 = 0x0e;
  EXPECT_EQ(Run({.info = kClear | kAll,
                 .format = kRgb565,
                 .color = {0xf801, 0, 0, 0}}),
            Hang::kNone);
  StoreTile({.format = kRgb565, .swap = 1});
  EXPECT_EQ(Stored(1, 1), 0x081f081fu);
}

// Whatever the format, clear colors are stored as they are given.
TEST_F(GmemTest, ClearColorsArePacked) {
  struct Case {
    uint32_t format;
    uint32_t bytes;
  };
  constexpr Case kCases[] = {
      {0x02, 1}, {0x03, 1}, {0x05, 1}, {0x0e, 2}, {0x0a, 2},  {0x0f, 2},
      {0x15, 2}, {0x17, 2}, {0x30, 4}, {0x31, 4}, {0x32, 4},  {0x34, 4},
      {0x35, 4}, {0x37, 4}, {0x3a, 4}, {0x42, 4}, {0x45, 4},  {0x4a, 4},
      {0x91, 4}, {0xa0, 4}, {0x62, 8}, {0x68, 8}, {0x82, 16}, {0x84, 16},
  };
  const std::vector<uint32_t> color = {0x40424780, 0x80828488, 0x11131719,
                                       0xf0f2f4f6};
  const auto* bytes = reinterpret_cast<const uint8_t*>(color.data());
  for (const Case& test : kCases) {
    FillMemory(0);
    EXPECT_EQ(Run({.info = kClear | kAll,
                   .format = test.format,
                   .color = color,
                   .scissor_right = 2,
                   .scissor_bottom = 0}),
              Hang::kNone);
    EXPECT_EQ(Run({.info = kStore,
                   .format = test.format,
                   .iova = kIova,
                   .scissor_right = 2,
                   .scissor_bottom = 0}),
              Hang::kNone);
    for (uint32_t i = 0; i < 4 * test.bytes; ++i) {
      const uint8_t expected = i < 3 * test.bytes ? bytes[i % test.bytes] : 0;
      ASSERT_EQ(mapping_.data()[i], expected)
          << std::hex << test.format << " at " << i;
    }
  }
}

// gallium has a bit each for depth and stencil, turnip one for each byte.
TEST_F(GmemTest, MasksSelectWhatIsCleared) {
  struct Case {
    uint32_t format;
    uint32_t info;
    uint32_t stored;
  };
  constexpr Case kCases[] = {
      {kZ24S8, kDepth | ClearMask(1), 0xaa332211},
      {kZ24S8, kDepth | ClearMask(2), 0x44aaaaaa},
      {kZ24S8, kDepth | ClearMask(3), 0x44332211},
      {kZ24S8, kDepth | ClearMask(0), 0xaaaaaaaa},
      {0x91, ClearMask(7), 0xaa332211},
      {0x91, ClearMask(8), 0x44aaaaaa},
      {kRgba8, ClearMask(7), 0xaa332211},
      {kRgba8, ClearMask(5), 0xaa33aa11},
      {kUint32, ClearMask(1), 0x44332211},
      {0x4a, kDepth | ClearMask(1), 0x44332211},
      {0x31, ClearMask(7), 0x44332211},
  };
  for (const Case& test : kCases) {
    EXPECT_EQ(Run({.info = kClear | kAll, .color = {0xaaaaaaaa, 0, 0, 0}}),
              Hang::kNone);
    EXPECT_EQ(Run({.info = kClear | test.info,
                   .format = test.format,
                   .color = {0x44332211, 0, 0, 0}}),
              Hang::kNone);
    StoreTile();
    EXPECT_EQ(Stored(1, 1), test.stored)
        << std::hex << test.format << " " << test.info;
  }
}

class GmemSamplesTest : public GmemTest {
 protected:
  // Two pixels of four samples; the third clears the rest.
  void LoadSamples(uint32_t format, const std::vector<uint32_t>& samples) {
    for (size_t i = 0; i < samples.size(); ++i) Dword(i) = samples[i];
    EXPECT_EQ(Run({.info = kLoad,
                   .format = format,
                   .samples = 2,
                   .gmem_samples = 2,
                   .iova = kIova,
                   .scissor_right = 1,
                   .scissor_bottom = 0}),
              Hang::kNone);
  }
  void Resolve(uint32_t format, uint32_t info, uint32_t samples = 0) {
    EXPECT_EQ(Run({.info = kStore | info,
                   .format = format,
                   .samples = samples,
                   .gmem_samples = 2,
                   .iova = IovaOf(kOut),
                   .scissor_right = 1,
                   .scissor_bottom = 0}),
              Hang::kNone);
  }
};

TEST_F(GmemSamplesTest, StoresResolveToTheAverage) {
  LoadSamples(kRgba8, {0x00000001, 0x000000ff, 0xff000001, 0xff000003,  //
                       0x11223344, 0x11223344, 0x11223344, 0x11223344});
  Resolve(kRgba8, 0);
  EXPECT_EQ(Dword(kOut), 0x80000041u);  // 0x7f.8 and 0x41.
  EXPECT_EQ(Dword(kOut + 1), 0x11223344u);
}

TEST_F(GmemSamplesTest, StoresResolveToTheFirstSample) {
  LoadSamples(kRgba8, {1, 2, 3, 4, 5, 6, 7, 8});
  Resolve(kRgba8, kSample0);
  EXPECT_EQ(Dword(kOut), 1u);
  EXPECT_EQ(Dword(kOut + 1), 5u);
  // Integers, and packed depth and stencil, have no average.
  for (const uint32_t format : {kUint32, kZ24S8}) {
    FillMemory(0);
    LoadSamples(format, {1, 2, 3, 4, 0xfffffffe, 6, 7, 8});
    Resolve(format, 0);
    EXPECT_EQ(Dword(kOut), 1u);
    EXPECT_EQ(Dword(kOut + 1), 0xfffffffeu);
  }
}

TEST_F(GmemSamplesTest, StoresKeepAllSamplesThatMemoryHas) {
  const std::vector<uint32_t> samples = {1, 2, 3, 4, 5, 6, 7, 8};
  LoadSamples(kRgba8, samples);
  Resolve(kRgba8, 0, /*samples=*/2);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(Dword(kOut + i), samples[i]);
  }
  EXPECT_EQ(Dword(kOut + samples.size()), 0u);
}

// GL_EXT_multisampled_render_to_texture: what memory has once is loaded into
// all of a pixel's samples.
TEST_F(GmemSamplesTest, LoadsFillAllSamples) {
  Dword(0) = 0x44332211;
  Dword(1) = 0x88776655;
  EXPECT_EQ(Run({.info = kLoad,
                 .gmem_samples = 2,
                 .iova = kIova,
                 .scissor_right = 1,
                 .scissor_bottom = 0}),
            Hang::kNone);
  Resolve(kRgba8, 0, /*samples=*/2);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(Dword(kOut + i), i < 4 ? 0x44332211u : 0x88776655u) << i;
  }
}

TEST_F(GmemSamplesTest, ClearsAllSamples) {
  EXPECT_EQ(Run({.info = kClear | kAll,
                 .samples = 0,  // turnip says it of GMEM only.
                 .gmem_samples = 2,
                 .color = {0x12345678, 0, 0, 0}}),
            Hang::kNone);
  Resolve(kRgba8, 0, /*samples=*/2);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(Dword(kOut + i), 0x12345678u);
}

// gallium stores separate stencil with type 1 and a mask of 0.
TEST_F(GmemTest, StoreAndClearClearsBehindIt) {
  EXPECT_EQ(Run({.info = kClear | kAll, .color = {1, 0, 0, 0}}), Hang::kNone);
  Registers registers{.iova = kIova, .pitch = 128, .color = {2, 0, 0, 0}};
  registers.info = kStoreAndClear;
  EXPECT_EQ(Run(registers), Hang::kNone);
  EXPECT_EQ(Dword(0), 1u);
  StoreTile();
  EXPECT_EQ(Stored(0, 0), 1u);
  registers.info = kStoreAndClear | kAll;
  EXPECT_EQ(Run(registers), Hang::kNone);
  EXPECT_EQ(Dword(0), 1u);
  StoreTile();
  EXPECT_EQ(Stored(0, 0), 2u);
  EXPECT_EQ(state_.stats.clears, 2u);
}

// RB_BLIT_CLEAR_MODE: 0 is memory, which has neither tile nor GMEM's order.
TEST_F(GmemTest, A7xxClearsMemoryToo) {
  Registers registers{.info = kClear | kAll,
                      .swap = 1,
                      .samples = 1,
                      .iova = kIova,
                      .pitch = 64,
                      .color = {0x44332211, 0, 0, 0},
                      .scissor_x = 1,
                      .scissor_y = 1,
                      .scissor_right = 2,
                      .scissor_bottom = 1,
                      .bin_width = 0,
                      .bin_height = 0};
  EXPECT_EQ(Run(registers), Hang::kNone);
  EXPECT_EQ(Dword(16 + 2), 0u);  // a6xx has no such mode.
  state_.generation = Generation::kA7xx;
  EXPECT_EQ(Run(registers), Hang::kNone);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(Dword(i), i >= 18 && i < 22 ? 0x44112233u : 0u) << i;
  }
  Write(0x88e4, 1);
  FillMemory(0);
  EXPECT_EQ(Run({.info = kClear | kAll, .iova = kIova, .color = {3, 0, 0, 0}}),
            Hang::kNone);
  EXPECT_EQ(Dword(0), 0u);
  StoreTile();
  EXPECT_EQ(Stored(0, 0), 3u);
}

TEST_F(GmemTest, EmptyAreasTouchNothing) {
  EXPECT_EQ(Run({.iova = kUnmapped, .scissor_x = 5, .scissor_right = 4}),
            Hang::kNone);
  EXPECT_EQ(Run({.iova = kUnmapped, .bin_width = 0}), Hang::kNone);
  EXPECT_EQ(Run({.iova = kUnmapped, .offset_y = 16}), Hang::kNone);
  EXPECT_EQ(state_.memory.TakeCounters().unmapped_stores, 0u);
}

// A tile beyond GMEM, behind which may be buffers; what no driver asks for.
TEST_F(GmemTest, WhatCannotBeIsCountedOnly) {
  MapNew(kWindow, 0x10000);
  const Registers kHostile[] = {
      {.info = kClear | kAll, .base = kGmemSize},
      {.info = kClear | kAll, .format = 0x82, .base = kGmemSize - 0x1000},
      {.info = kClear | kAll, .base = 0xfffff000},
      {.info = kLoad, .base = static_cast<uint32_t>(kWindow - kGmemBase)},
      {.info = kClear | kAll,
       .format = 0x82,
       .gmem_samples = 3,
       .scissor_right = 0x3fff,
       .scissor_bottom = 0x3fff,
       .bin_width = 63 * 32,
       .bin_height = 127 * 16},
      // Some channels of floats, which no driver clears.
      {.info = kClear | ClearMask(7), .format = 0x62},
      {.info = kStore, .format = 0},
      {.info = kStore, .format = 0xff},
  };
  uint64_t count = 0;
  for (const Registers& registers : kHostile) {
    EXPECT_EQ(Run(registers), Hang::kNone);
    EXPECT_EQ(state_.stats.resolves_not_executed, ++count);
  }
  EXPECT_EQ(state_.stats.clears, 0u);
  EXPECT_EQ(state_.memory.TakeCounters().stores, 0u);
  // The last tile that fits.
  EXPECT_EQ(Run({.info = kClear | kAll, .base = kGmemSize - 0x1000}),
            Hang::kNone);
  EXPECT_EQ(state_.stats.clears, 1u);
}

TEST_F(GmemTest, MemoryWithoutBuffersIsAFault) {
  EXPECT_EQ(Run({.info = kClear | kAll, .color = {1, 0, 0, 0}}), Hang::kNone);
  EXPECT_EQ(Run({.info = kLoad, .iova = kUnmapped}), Hang::kNone);
  EXPECT_GT(state_.memory.TakeCounters().unmapped_loads, 0u);
  StoreTile();
  EXPECT_EQ(Stored(0, 0), 0u);
  EXPECT_EQ(Run({.info = kStore, .iova = kUnmapped}), Hang::kNone);
  EXPECT_GT(state_.memory.TakeCounters().unmapped_stores, 0u);
}

TEST_F(GmemTest, AllBitsSet) {
  for (const Generation generation : {Generation::kA6xx, Generation::kA7xx}) {
    state_.generation = generation;
    for (uint32_t reg = 0x8800; reg < 0x8900; ++reg) Write(reg, ~0u);
    for (uint32_t info = 0; info < 16; ++info) {
      Write(0x88d7, (~0u & ~(0xffu << 7)) | (0x82u << 7));
      Write(0x88e3, info | kAll);
      Write(0x88e4, info >> 3);
      state_.work_left = 100'000;
      EventWrite(state_, std::vector<uint32_t>{30});
    }
  }
}

TEST_F(GmemTest, WorkIsBounded) {
  state_.generation = Generation::kA7xx;
  EXPECT_EQ(Run({.info = kClear | kAll,
                 .iova = kUnmapped,
                 .scissor_right = 0x3fff,
                 .scissor_bottom = 0x3fff}),
            Hang::kWorkLimit);
  state_.generation = Generation::kA6xx;
  for (const uint32_t info : {kClear | kAll, kClear | ClearMask(7), kLoad}) {
    state_.work_left = 32;
    EXPECT_EQ(Run({.info = info, .swap = 1, .iova = kIova}), Hang::kWorkLimit);
    EXPECT_LT(state_.work_left, 32u);
  }
}

}  // namespace
}  // namespace nacre::simulator
