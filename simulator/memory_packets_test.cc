#include "simulator/memory_packets.h"

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "simulator/packets_fixture.h"

namespace nacre::simulator {
namespace {

using MemoryPacketsTest = PacketsFixture;

TEST_F(MemoryPacketsTest, MemWriteStoresItsDwords) {
  EXPECT_EQ(Do(MemWrite, {Lo(4), Hi(4), 1, 2, 3}), Hang::kNone);
  EXPECT_EQ(Dword(4), 1u);
  EXPECT_EQ(Dword(5), 2u);
  EXPECT_EQ(Dword(6), 3u);
}

// REG_TO_MEM's count is in bits 29:18, MEM_TO_REG's in 29:19.
TEST_F(MemoryPacketsTest, RegToMemCopiesMaxOfCountAndOne) {
  for (uint32_t i = 0; i < 4; ++i) state_.registers.Write(kReg + i, 10 + i);
  EXPECT_EQ(Do(RegToMem, {kReg | 3 << 18, Lo(0), Hi(0)}), Hang::kNone);
  EXPECT_EQ(Dword(0), 10u);
  EXPECT_EQ(Dword(2), 12u);
  EXPECT_EQ(Dword(3), 0u);
  EXPECT_EQ(Do(RegToMem, {kReg, Lo(8), Hi(8)}), Hang::kNone);
  EXPECT_EQ(Dword(8), 10u);
  EXPECT_EQ(Dword(9), 0u);
}

TEST_F(MemoryPacketsTest, RegToMemAccumulatesIn64Bits) {
  state_.registers.Write(kReg, 0xffffffff);
  state_.registers.Write(kReg + 1, 1);
  Dword(0) = 2;
  EXPECT_EQ(Do(RegToMem, {kReg | 2 << 18 | 1u << 30 | 1u << 31, Lo(0), Hi(0)}),
            Hang::kNone);
  EXPECT_EQ(Qword(0), 0x200000001u);
}

TEST_F(MemoryPacketsTest, RegToMemReadsTheAlwaysOnCounter) {
  const std::vector<uint32_t> packet = {kCpAlwaysOnCounter | 2 << 18 | 1u << 30,
                                        Lo(0), Hi(0)};
  Do(RegToMem, packet);
  const uint64_t first = Qword(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Do(RegToMem, packet);
  const uint64_t ticks = Qword(0) - first;
  EXPECT_GE(ticks, 19'200u);      // A millisecond.
  EXPECT_LT(ticks, 19'200'000u);  // A second.
}

TEST_F(MemoryPacketsTest, RegToMemOffsets) {
  state_.registers.Write(kReg, 5);
  state_.registers.Write(kReg + 1, 8);
  state_.scratch[3] = 4;
  Do(RegToMemOffsetReg, {kReg, Lo(0), Hi(0), kReg + 1});
  EXPECT_EQ(Dword(2), 5u);
  Do(RegToMemOffsetReg, {kReg, Lo(0), Hi(0), kReg + 1, 3 | 1 << 19});
  EXPECT_EQ(Dword(3), 5u);
  Dword(20) = 16;
  Do(RegToMemOffsetMem, {kReg, Lo(0), Hi(0), Lo(20), Hi(20)});
  EXPECT_EQ(Dword(4), 5u);
}

TEST_F(MemoryPacketsTest, MemToRegShiftsLeftByTwo) {
  Dword(0) = 3;
  Dword(1) = 4;
  EXPECT_EQ(Do(MemToReg, {kReg | 2 << 19, Lo(0), Hi(0)}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 3u);
  EXPECT_EQ(state_.registers.Read(kReg + 1), 4u);
  EXPECT_EQ(Do(MemToReg, {kReg | 1u << 30, Lo(1), Hi(1)}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 16u);
}

// What queries do: result += end - start.
TEST_F(MemoryPacketsTest, MemToMemAddsAndSubtracts) {
  Dword(0) = 100;
  Dword(2) = 30;
  Dword(4) = 50;
  const uint32_t negate_b = 1 << 1;
  EXPECT_EQ(Do(MemToMem, {negate_b, Lo(0), Hi(0), Lo(0), Hi(0), Lo(2), Hi(2),
                          Lo(4), Hi(4)}),
            Hang::kNone);
  EXPECT_EQ(Dword(0), 120u);
  const uint32_t wide = 1 << 29;
  EXPECT_EQ(Do(MemToMem, {wide | 1, Lo(6), Hi(6), Lo(2), Hi(2)}), Hang::kNone);
  EXPECT_EQ(Qword(6), ~uint64_t{30} + 1);
}

TEST_F(MemoryPacketsTest, MemcpyCostsWork) {
  Dword(0) = 1;
  Dword(1) = 2;
  EXPECT_EQ(Do(Memcpy, {2, Lo(0), Hi(0), Lo(8), Hi(8)}), Hang::kNone);
  EXPECT_EQ(Dword(8), 1u);
  EXPECT_EQ(Dword(9), 2u);
  EXPECT_EQ(Do(Memcpy, {0xffffffff, Lo(0), Hi(0), Lo(8), Hi(8)}),
            Hang::kWorkLimit);
}

TEST_F(MemoryPacketsTest, RegRmwMasksRotatesAndAdds) {
  state_.registers.Write(kReg, 0x80000001);
  EXPECT_EQ(Do(RegRmw, {kReg | 4 << 24, 0x80000000, 0x3}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 0xbu);
  state_.registers.Write(kReg + 1, 0xff);
  const uint32_t add = 1u << 29;
  const uint32_t source1_is_register = 1u << 30;
  EXPECT_EQ(
      Do(RegRmw, {kReg | add | source1_is_register, 0xffffffff, kReg + 1}),
      Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 0x10au);
}

// The scratch counts are of one less than is moved.
TEST_F(MemoryPacketsTest, ScratchMoves) {
  EXPECT_EQ(Do(ScratchWrite, {2 << 20, 7, 8}), Hang::kNone);
  EXPECT_EQ(Do(ScratchToReg, {kReg | 2 << 20 | 1 << 24}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 7u);
  EXPECT_EQ(state_.registers.Read(kReg + 1), 8u);
  EXPECT_EQ(Do(RegToScratch, {(kReg + 1) | 7 << 20}), Hang::kNone);
  EXPECT_EQ(state_.scratch[7], 8u);
}

TEST_F(MemoryPacketsTest, ShortPacketsAreRefused) {
  for (const Handler handler :
       {MemWrite, RegToMem, RegToMemOffsetReg, RegToMemOffsetMem, MemToReg,
        MemToMem, Memcpy, RegRmw, RegWrite, RegToScratch, ScratchToReg,
        ScratchWrite, MemToScratchMem}) {
    EXPECT_EQ(Do(handler, {}), Hang::kShortPacket);
  }
}

}  // namespace
}  // namespace nacre::simulator
