#include "simulator/wait_packets.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "simulator/packets_fixture.h"

namespace nacre::simulator {
namespace {

using WaitPacketsTest = PacketsFixture;

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

TEST_F(WaitPacketsTest, WaitRegMemComparesMemory) {
  constexpr uint32_t kMemory = 1 << 4;
  for (const Comparison& c : kComparisons) {
    Dword(0) = c.value;
    EXPECT_EQ(Do(WaitRegMem, {c.function | kMemory, Lo(0), Hi(0), c.reference,
                              0xffffffff, 16}),
              c.result ? Hang::kNone : Hang::kWait)
        << c.function << " " << c.value;
  }
}

TEST_F(WaitPacketsTest, WaitRegMemMasksRegistersAndScratch) {
  state_.registers.Write(kReg, 0x1234);
  EXPECT_EQ(Do(WaitRegMem, {3, kReg, 0, 0x34, 0xff, 16}), Hang::kNone);
  state_.scratch[5] = 9;
  EXPECT_EQ(Do(WaitRegMem, {3 | 2 << 4, 5, 0, 9, ~0u, 16}), Hang::kNone);
}

TEST_F(WaitPacketsTest, AWaitSeesWhatTheCpuWritesMeanwhile) {
  state_.hang_timeout = std::chrono::seconds(10);
  std::thread cpu([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    __atomic_store_n(&Dword(0), 1, __ATOMIC_RELEASE);
  });
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 1}), Hang::kNone);
  cpu.join();
}

TEST_F(WaitPacketsTest, WaitMemGteIsSigned) {
  Dword(0) = 0xfffffff0;
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 1}), Hang::kWait);
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 0xffffff00}), Hang::kNone);
}

TEST_F(WaitPacketsTest, WaitTimestampOf64BitsIsUnsigned) {
  Dword(1) = 0x80000000;
  EXPECT_EQ(Do(WaitTimestamp, {1, Lo(0), Hi(0), 5, 0}), Hang::kNone);
  EXPECT_EQ(Do(WaitTimestamp, {1, Lo(0), Hi(0), 5, 0x80000000}), Hang::kWait);
  EXPECT_EQ(Do(WaitTimestamp, {0, Lo(0), Hi(0), 1}), Hang::kWait);
}

TEST_F(WaitPacketsTest, ADestroyedDeviceEndsAWait) {
  const std::atomic<bool> stop{true};
  state_.stop = &stop;
  state_.hang_timeout = std::chrono::hours(1);
  EXPECT_EQ(Do(WaitMemGte, {0, Lo(0), Hi(0), 1}), Hang::kDeviceGone);
}

TEST_F(WaitPacketsTest, CondWrite5WritesWhenTrue) {
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

TEST_F(WaitPacketsTest, ShortPacketsAreRefused) {
  for (const Handler handler :
       {WaitRegMem, WaitMemGte, WaitTimestamp, WaitTwoRegs, CondWrite5}) {
    EXPECT_EQ(Do(handler, {}), Hang::kShortPacket);
  }
}

}  // namespace
}  // namespace nacre::simulator
