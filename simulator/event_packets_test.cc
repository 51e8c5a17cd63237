#include "simulator/event_packets.h"

#include <cstdint>

#include "simulator/packets_fixture.h"

namespace nacre::simulator {
namespace {

using EventPacketsTest = PacketsFixture;

// abi D.4.
TEST_F(EventPacketsTest, EventWriteOfA6xx) {
  EXPECT_EQ(Do(EventWrite, {49}), Hang::kNone);
  EXPECT_EQ(Do(EventWrite, {0x80000004, Lo(0), Hi(0), 0x1234}), Hang::kNone);
  EXPECT_EQ(Qword(0), 0x1234u);
  const uint64_t before = AlwaysOnCounter();
  EXPECT_EQ(Do(EventWrite, {0x40000004, Lo(2), Hi(2), 0}), Hang::kNone);
  EXPECT_GE(Qword(2), before);
  EXPECT_LE(Qword(2), AlwaysOnCounter());
}

TEST_F(EventPacketsTest, EventWriteOfA7xxWritesWhenEnabled) {
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
TEST_F(EventPacketsTest, ZpassDoneWritesASampleCountOfNone) {
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

// Four streams, two counters each.
TEST_F(EventPacketsTest, PrimitiveCountsAreWrittenAsNone) {
  for (size_t i = 0; i < 17; ++i) Dword(i) = ~0u;
  state_.registers.Write(kVpcSoStreamCounts, Lo(0));
  state_.registers.Write(kVpcSoStreamCounts + 1, Hi(0));
  EXPECT_EQ(Do(EventWrite, {9}), Hang::kNone);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(Dword(i), 0u);
  EXPECT_EQ(Dword(16), ~0u);
}

TEST_F(EventPacketsTest, ShortPacketsAreRefused) {
  EXPECT_EQ(Do(EventWrite, {}), Hang::kShortPacket);
  state_.generation = Generation::kA7xx;
  constexpr uint32_t kEnabled = 1u << 27;
  EXPECT_EQ(Do(EventWrite, {kEnabled, Lo(0), Hi(0)}), Hang::kShortPacket);
}

}  // namespace
}  // namespace nacre::simulator
