// The packets that move and compare, one by one, as CpState sees them.

#include <array>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "simulator/condition_packets.h"
#include "simulator/cp_fixture.h"
#include "simulator/cp_state.h"
#include "simulator/event_packets.h"
#include "simulator/memory_packets.h"
#include "simulator/wait_packets.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kReg = 0x8c20;

class PacketsTest : public CpFixture {
 protected:
  PacketsTest() {
    state_.memory.Attach(space_);
    state_.work_left = 1000;
    state_.hang_timeout = std::chrono::milliseconds(1);
  }
  ~PacketsTest() override { state_.memory.Detach(); }

  static uint32_t Lo(size_t dword) {
    return static_cast<uint32_t>(IovaOf(dword));
  }
  static uint32_t Hi(size_t dword) {
    return static_cast<uint32_t>(IovaOf(dword) >> 32);
  }
  using Handler = Hang (*)(CpState&, Payload);
  Hang Do(Handler handler, const std::vector<uint32_t>& payload) {
    return handler(state_, payload);
  }
  // Dwords that the condition skips; fails where it hangs.
  uint32_t Skipped(Condition (*handler)(CpState&, Payload),
                   const std::vector<uint32_t>& payload) {
    const Condition result = handler(state_, payload);
    EXPECT_TRUE(std::holds_alternative<Skip>(result));
    return std::get<Skip>(result).dwords;
  }

  CpState state_;
};

TEST_F(PacketsTest, MemWriteStoresItsDwords) {
  EXPECT_EQ(Do(MemWrite, {Lo(4), Hi(4), 1, 2, 3}), Hang::kNone);
  EXPECT_EQ(Dword(4), 1u);
  EXPECT_EQ(Dword(5), 2u);
  EXPECT_EQ(Dword(6), 3u);
}

// REG_TO_MEM's count is in bits 29:18, MEM_TO_REG's in 29:19.
TEST_F(PacketsTest, RegToMemCopiesMaxOfCountAndOne) {
  for (uint32_t i = 0; i < 4; ++i) state_.registers.Write(kReg + i, 10 + i);
  EXPECT_EQ(Do(RegToMem, {kReg | 3 << 18, Lo(0), Hi(0)}), Hang::kNone);
  EXPECT_EQ(Dword(0), 10u);
  EXPECT_EQ(Dword(2), 12u);
  EXPECT_EQ(Dword(3), 0u);
  EXPECT_EQ(Do(RegToMem, {kReg, Lo(8), Hi(8)}), Hang::kNone);
  EXPECT_EQ(Dword(8), 10u);
  EXPECT_EQ(Dword(9), 0u);
}

TEST_F(PacketsTest, RegToMemAccumulatesIn64Bits) {
  state_.registers.Write(kReg, 0xffffffff);
  state_.registers.Write(kReg + 1, 1);
  Dword(0) = 2;
  EXPECT_EQ(Do(RegToMem, {kReg | 2 << 18 | 1u << 30 | 1u << 31, Lo(0), Hi(0)}),
            Hang::kNone);
  EXPECT_EQ(Qword(0), 0x200000001u);
}

TEST_F(PacketsTest, RegToMemReadsTheAlwaysOnCounter) {
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

TEST_F(PacketsTest, RegToMemOffsets) {
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

TEST_F(PacketsTest, MemToRegShiftsLeftByTwo) {
  Dword(0) = 3;
  Dword(1) = 4;
  EXPECT_EQ(Do(MemToReg, {kReg | 2 << 19, Lo(0), Hi(0)}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 3u);
  EXPECT_EQ(state_.registers.Read(kReg + 1), 4u);
  EXPECT_EQ(Do(MemToReg, {kReg | 1u << 30, Lo(1), Hi(1)}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 16u);
}

// What queries do: result += end - start.
TEST_F(PacketsTest, MemToMemAddsAndSubtracts) {
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

TEST_F(PacketsTest, MemcpyCostsWork) {
  Dword(0) = 1;
  Dword(1) = 2;
  EXPECT_EQ(Do(Memcpy, {2, Lo(0), Hi(0), Lo(8), Hi(8)}), Hang::kNone);
  EXPECT_EQ(Dword(8), 1u);
  EXPECT_EQ(Dword(9), 2u);
  EXPECT_EQ(Do(Memcpy, {0xffffffff, Lo(0), Hi(0), Lo(8), Hi(8)}),
            Hang::kWorkLimit);
}

TEST_F(PacketsTest, RegRmwMasksRotatesAndAdds) {
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
TEST_F(PacketsTest, ScratchMoves) {
  EXPECT_EQ(Do(ScratchWrite, {2 << 20, 7, 8}), Hang::kNone);
  EXPECT_EQ(Do(ScratchToReg, {kReg | 2 << 20 | 1 << 24}), Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 7u);
  EXPECT_EQ(state_.registers.Read(kReg + 1), 8u);
  EXPECT_EQ(Do(RegToScratch, {(kReg + 1) | 7 << 20}), Hang::kNone);
  EXPECT_EQ(state_.scratch[7], 8u);
}

TEST_F(PacketsTest, ShortPacketsAreRefused) {
  for (const Handler handler : {MemWrite,
                                RegToMem,
                                RegToMemOffsetReg,
                                RegToMemOffsetMem,
                                MemToReg,
                                MemToMem,
                                Memcpy,
                                RegRmw,
                                RegWrite,
                                RegToScratch,
                                ScratchToReg,
                                ScratchWrite,
                                MemToScratchMem,
                                WaitRegMem,
                                WaitMemGte,
                                WaitTimestamp,
                                WaitTwoRegs,
                                CondWrite5,
                                EventWrite,
                                RegTest,
                                SetMarker,
                                ThreadControl}) {
    EXPECT_EQ(Do(handler, {}), Hang::kShortPacket);
  }
}

struct Comparison {
  uint32_t function;
  uint32_t value;
  uint32_t reference;
  bool result;
};
constexpr uint32_t kSigned = 8;
constexpr Comparison kComparisons[] = {
    {0, 1, 2, true},  {1, 1, 2, true},    {1, 2, 2, false},
    {2, 2, 2, true},  {2, 3, 2, false},   {3, 2, 2, true},
    {3, 1, 2, false}, {4, 1, 2, true},    {4, 2, 2, false},
    {5, 2, 2, true},  {5, 1, 2, false},   {6, 3, 2, true},
    {6, 2, 2, false}, {1, ~0u, 1, false}, {1 | kSigned, ~0u, 1, true},
};

TEST_F(PacketsTest, WaitRegMemComparesMemory) {
  constexpr uint32_t kMemory = 1 << 4;
  for (const Comparison& c : kComparisons) {
    Dword(0) = c.value;
    EXPECT_EQ(Do(WaitRegMem, {c.function | kMemory, Lo(0), Hi(0), c.reference,
                              0xffffffff, 16}),
              c.result ? Hang::kNone : Hang::kWait)
        << c.function << " " << c.value;
  }
}

TEST_F(PacketsTest, WaitRegMemMasksRegistersAndScratch) {
  state_.registers.Write(kReg, 0x1234);
  EXPECT_EQ(Do(WaitRegMem, {3, kReg, 0, 0x34, 0xff, 16}), Hang::kNone);
  state_.scratch[5] = 9;
  EXPECT_EQ(Do(WaitRegMem, {3 | 2 << 4, 5, 0, 9, ~0u, 16}), Hang::kNone);
}

TEST_F(PacketsTest, AWaitSeesWhatTheCpuWritesMeanwhile) {
  state_.hang_timeout = std::chrono::seconds(10);
  std::thread cpu([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    __atomic_store_n(&Dword(0), 1, __ATOMIC_RELEASE);
  });
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 1}), Hang::kNone);
  cpu.join();
}

TEST_F(PacketsTest, WaitMemGteIsSigned) {
  Dword(0) = 0xfffffff0;
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 1}), Hang::kWait);
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 0xffffff00}), Hang::kNone);
}

TEST_F(PacketsTest, WaitTimestampOf64BitsIsUnsigned) {
  Dword(1) = 0x80000000;
  EXPECT_EQ(Do(WaitTimestamp, {1, Lo(0), Hi(0), 5, 0}), Hang::kNone);
  EXPECT_EQ(Do(WaitTimestamp, {1, Lo(0), Hi(0), 5, 0x80000000}), Hang::kWait);
  EXPECT_EQ(Do(WaitTimestamp, {0, Lo(0), Hi(0), 1}), Hang::kWait);
}

TEST_F(PacketsTest, ADestroyedDeviceEndsAWait) {
  const std::atomic<bool> stop{true};
  state_.stop = &stop;
  state_.hang_timeout = std::chrono::hours(1);
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 1}), Hang::kDeviceGone);
}

TEST_F(PacketsTest, CondWrite5WritesWhenTrue) {
  constexpr uint32_t kPollMemory = 1 << 4;
  constexpr uint32_t kWriteMemory = 1 << 8;
  Dword(0) = 6;
  EXPECT_EQ(Do(CondWrite5, {3 | kPollMemory | kWriteMemory, Lo(0), Hi(0), 6,
                            ~0u, Lo(1), Hi(1), 77}),
            Hang::kNone);
  EXPECT_EQ(Dword(1), 77u);
  EXPECT_EQ(Do(CondWrite5, {4 | kPollMemory | kWriteMemory, Lo(0), Hi(0), 6,
                            ~0u, Lo(1), Hi(1), 78}),
            Hang::kNone);
  EXPECT_EQ(Dword(1), 77u);
  EXPECT_EQ(
      Do(CondWrite5, {3 | kPollMemory, Lo(0), Hi(0), 6, ~0u, kReg, 0, 79}),
      Hang::kNone);
  EXPECT_EQ(state_.registers.Read(kReg), 79u);
}

TEST_F(PacketsTest, CondExecNeedsBothConditions) {
  const std::vector<uint32_t> packet = {Lo(0), Hi(0), Lo(1), Hi(1), 5, 12};
  EXPECT_EQ(Skipped(CondExec, packet), 12u);
  Dword(0) = 1;
  EXPECT_EQ(Skipped(CondExec, packet), 0u);
  Dword(1) = 5;
  EXPECT_EQ(Skipped(CondExec, packet), 12u);
  Dword(1) = 0xffffffff;  // Signed: less.
  EXPECT_EQ(Skipped(CondExec, packet), 0u);
}

TEST_F(PacketsTest, RegTestSetsThePredicateThatCondRegExecTests) {
  constexpr uint32_t kPredTest = 1u << 28;
  state_.registers.Write(kReg, 1 << 4);
  Do(RegTest, {kReg | 4 << 20});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest, 9}), 0u);
  Do(RegTest, {kReg | 5 << 20});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest, 9}), 9u);
  // Another predicate bit, and the direct update.
  Do(RegTest, {kReg | 4 << 20 | 3 << 26});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest | 3 << 18, 9}), 0u);
  Do(RegTest, {1u << 31, 1 << 3, 0});
  EXPECT_EQ(Skipped(CondRegExec, {kPredTest | 3 << 18, 9}), 9u);
}

TEST_F(PacketsTest, CondRegExecSelectsByRenderMode) {
  constexpr uint32_t kRenderMode = 3u << 28;
  constexpr uint32_t kBinning = 1 << 25;
  constexpr uint32_t kGmem = 1 << 26;
  constexpr uint32_t kSysmem = 1 << 27;
  struct {
    uint32_t marker;
    uint32_t mask;
  } constexpr kModes[] = {
      {1, kSysmem}, {2, kBinning}, {4 | 0x10, kGmem}, {6 | 0x10, kGmem}};
  for (const auto& mode : kModes) {
    Do(SetMarker, {mode.marker});
    EXPECT_EQ(Skipped(CondRegExec, {kRenderMode | mode.mask, 4}), 0u);
    EXPECT_EQ(Skipped(CondRegExec, {kRenderMode | (~mode.mask & 7 << 25), 4}),
              4u);
  }
  Do(SetMarker, {1});
  Do(SetMarker, {0x101});  // Power collapse, not a mode.
  Do(SetMarker, {0xc});
  EXPECT_EQ(Skipped(CondRegExec, {kRenderMode | kSysmem, 4}), 0u);
}

TEST_F(PacketsTest, CondRegExecComparesRegisters) {
  state_.registers.Write(kReg, 3);
  state_.registers.Write(kReg + 1, 3);
  EXPECT_EQ(Skipped(CondRegExec, {2u << 28 | kReg, kReg + 1, 6}), 0u);
  EXPECT_EQ(Skipped(CondRegExec, {2u << 28 | kReg, kReg + 2, 6}), 6u);
  EXPECT_EQ(Skipped(CondRegExec, {4u << 28 | kReg, 3, 6}), 0u);
  EXPECT_EQ(Skipped(CondRegExec, {4u << 28 | kReg, 4, 6}), 6u);
}

// abi D.4.
TEST_F(PacketsTest, EventWriteOfA6xx) {
  EXPECT_EQ(Do(EventWrite, {49}), Hang::kNone);
  EXPECT_EQ(Do(EventWrite, {0x80000004, Lo(0), Hi(0), 0x1234}), Hang::kNone);
  EXPECT_EQ(Qword(0), 0x1234u);
  const uint64_t before = AlwaysOnCounter();
  EXPECT_EQ(Do(EventWrite, {0x40000004, Lo(2), Hi(2), 0}), Hang::kNone);
  EXPECT_GE(Qword(2), before);
  EXPECT_LE(Qword(2), AlwaysOnCounter());
}

TEST_F(PacketsTest, EventWriteOfA7xxWritesWhenEnabled) {
  state_.generation = Generation::kA7xx;
  constexpr uint32_t kEnabled = 1u << 27;
  EXPECT_EQ(Do(EventWrite, {4}), Hang::kNone);
  EXPECT_EQ(Do(EventWrite, {22 | kEnabled, Lo(0), Hi(0), 5}), Hang::kNone);
  EXPECT_EQ(Qword(0), 5u);
  EXPECT_EQ(Do(EventWrite, {22 | 1 << 20 | kEnabled, Lo(2), Hi(2), 6, 7}),
            Hang::kNone);
  EXPECT_EQ(Qword(2), 0x700000006u);
  EXPECT_EQ(Do(EventWrite, {22 | 3 << 20 | kEnabled, Lo(4), Hi(4)}),
            Hang::kNone);
  EXPECT_NE(Qword(4), 0u);
}

// Drivers preset the slot and wait until the GPU has overwritten it.
TEST_F(PacketsTest, ZpassDoneWritesASampleCountOfNone) {
  Dword(0) = ~0u;
  Dword(1) = ~0u;
  EXPECT_EQ(Do(EventWrite, {21}), Hang::kNone);
  EXPECT_EQ(Dword(0), ~0u);
  state_.registers.Write(kRbSampleCountControl, 1 << 1);
  state_.registers.Write(kRbSampleCountAddress, Lo(0));
  state_.registers.Write(kRbSampleCountAddress + 1, Hi(0));
  EXPECT_EQ(Do(EventWrite, {21}), Hang::kNone);
  EXPECT_EQ(Qword(0), 0u);
}

}  // namespace
}  // namespace nacre::simulator
