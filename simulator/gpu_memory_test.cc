#include "simulator/gpu_memory.h"

#include <fstream>
#include <string>
#include <vector>

#include "simulator/cp_fixture.h"

namespace nacre::simulator {
namespace {

class GpuMemoryTest : public CpFixture {
 protected:
  GpuMemoryTest() { memory_.Attach(space_); }
  ~GpuMemoryTest() override { memory_.Detach(); }

  GpuMemory memory_;
};

TEST_F(GpuMemoryTest, LoadsAndStoresReachTheBuffer) {
  Dword(3) = 7;
  EXPECT_EQ(memory_.Load32(IovaOf(3)), 7u);
  memory_.Store64(IovaOf(4), 0x1122334455667788);
  EXPECT_EQ(Dword(4), 0x55667788u);
  EXPECT_EQ(Dword(5), 0x11223344u);
  EXPECT_EQ(memory_.Load64(IovaOf(4)), 0x1122334455667788u);
  EXPECT_EQ(memory_.TakeCounters().stores, 2u);
}

TEST_F(GpuMemoryTest, LowAddressBitsAreIgnored) {
  memory_.Store32(IovaOf(2) + 3, 9);
  EXPECT_EQ(Dword(2), 9u);
}

// abi C.6: SMMU faults.
TEST_F(GpuMemoryTest, UnmappedLoadsGiveZeroAndStoresDoNothing) {
  EXPECT_EQ(memory_.Load32(kUnmapped), 0u);
  EXPECT_EQ(memory_.Load32(0), 0u);
  EXPECT_EQ(memory_.Load32(~uint64_t{0}), 0u);
  memory_.Store32(kUnmapped, 1);
  const GpuMemory::Counters counters = memory_.TakeCounters();
  EXPECT_EQ(counters.unmapped_loads, 3u);
  EXPECT_EQ(counters.unmapped_stores, 1u);
  EXPECT_EQ(counters.stores, 0u);
}

TEST_F(GpuMemoryTest, ALoadAcrossTheEndOfABufferIsUnmappedFromThere) {
  Dword(kSize / 4 - 1) = 5;
  std::array<uint32_t, 3> dwords = {8, 8, 8};
  memory_.Load(kIova + kSize - 4, dwords);
  EXPECT_EQ(dwords, (std::array<uint32_t, 3>{5, 0, 0}));
}

TEST_F(GpuMemoryTest, ALoadGoesOnInTheNextBuffer) {
  const std::shared_ptr<Buffer> next = MapNew(kIova + kSize, 4096);
  memory_.Store32(kIova + kSize, 6);
  Dword(kSize / 4 - 1) = 5;
  std::array<uint32_t, 2> dwords;
  memory_.Load(kIova + kSize - 4, dwords);
  EXPECT_EQ(dwords, (std::array<uint32_t, 2>{5, 6}));
}

TEST_F(GpuMemoryTest, ReadOnlyBuffersAreNotWritten) {
  const std::shared_ptr<Buffer> constant =
      MapNew(kUnmapped, 4096, msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY);
  memory_.Store32(kUnmapped, 1);
  EXPECT_EQ(memory_.Load32(kUnmapped), 0u);
  EXPECT_EQ(memory_.TakeCounters().unmapped_stores, 1u);
}

// abi C.6: SET_IOVA 0 is effective at once, also while the GPU runs.
TEST_F(GpuMemoryTest, AReleasedAddressIsNoLongerReached) {
  Dword(0) = 1;
  ASSERT_EQ(memory_.Load32(kIova), 1u);
  ASSERT_TRUE(space_->Assign(buffer_, 0).ok());
  EXPECT_EQ(memory_.Load32(kIova), 0u);
  const std::shared_ptr<Buffer> other = MapNew(kIova, 4096);
  memory_.Store32(kIova, 2);
  EXPECT_EQ(Dword(0), 1u);
}

TEST_F(GpuMemoryTest, RunsOfBytesMayStartAndEndAnywhere) {
  Dword(0) = 0x11111111;
  Dword(1) = 0x22222222;
  memory_.Write(kIova + 3, std::vector<uint8_t>{0xaa, 0xbb});
  EXPECT_EQ(Dword(0), 0xaa111111u);
  EXPECT_EQ(Dword(1), 0x222222bbu);
  std::vector<uint8_t> bytes(3);
  memory_.Read(kIova + 2, bytes);
  EXPECT_EQ(bytes, (std::vector<uint8_t>{0x11, 0xaa, 0xbb}));
}

TEST_F(GpuMemoryTest, RunsGoOnInTheNextBufferAndStopWhereNoneIs) {
  const std::shared_ptr<Buffer> next = MapNew(kIova + kSize, 4096);
  const std::vector<uint8_t> bytes(4 + 4096 + 8, 7);
  memory_.Write(kIova + kSize - 4, bytes);
  EXPECT_EQ(Dword(kSize / 4 - 1), 0x07070707u);
  std::vector<uint8_t> reread(bytes.size(), 1);
  memory_.Read(kIova + kSize - 4, reread);
  EXPECT_EQ(reread[0], 7);
  EXPECT_EQ(reread[4 + 4095], 7);
  EXPECT_EQ(reread[4 + 4096], 0);
  EXPECT_EQ(reread.back(), 0);
  const GpuMemory::Counters counters = memory_.TakeCounters();
  EXPECT_EQ(counters.stores, 1u + 1024);
  EXPECT_EQ(counters.unmapped_stores, 2u);
  EXPECT_EQ(counters.unmapped_loads, 2u);
}

// Between two buffers; the end of the addresses.
TEST_F(GpuMemoryTest, RunsSkipHolesAndWrap) {
  constexpr uint64_t kHole = 3 * 4096;
  const std::shared_ptr<Buffer> after = MapNew(kIova + kSize + kHole, 4096);
  memory_.Write(kIova + kSize - 1, std::vector<uint8_t>(kHole + 2, 9));
  EXPECT_EQ(memory_.Load32(kIova + kSize - 4), 0x09000000u);
  EXPECT_EQ(memory_.Load32(kIova + kSize + kHole), 9u);
  EXPECT_EQ(memory_.TakeCounters().unmapped_stores, kHole / 4);
  memory_.Write(~uint64_t{0} - 5, std::vector<uint8_t>(10000, 9));
  std::vector<uint8_t> bytes(10000, 9);
  memory_.Read(~uint64_t{0} - 5, bytes);
  EXPECT_EQ(bytes, std::vector<uint8_t>(10000, 0));
}

TEST_F(GpuMemoryTest, RunsDoNotChangeReadOnlyBuffers) {
  const std::shared_ptr<Buffer> constant =
      MapNew(kUnmapped, 4096, msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY);
  memory_.Write(kUnmapped, std::vector<uint8_t>(8192, 9));
  EXPECT_EQ(memory_.Load32(kUnmapped), 0u);
  EXPECT_EQ(memory_.TakeCounters().unmapped_stores, 2048u);
}

// a630 has it at 0x100000, a660 at 0.
TEST_F(GpuMemoryTest, AResetClearsGmem) {
  memory_.ClearGmem();  // There is none yet.
  ASSERT_TRUE(memory_.AddGmem(0x1000, 0x1000).ok());
  memory_.Write(0x1800, std::vector<uint8_t>{1, 2, 3, 4});
  memory_.ClearGmem();
  std::vector<uint8_t> bytes(4, 9);
  memory_.Read(0x1800, bytes);
  EXPECT_EQ(bytes, std::vector<uint8_t>(4, 0));
  EXPECT_TRUE(memory_.IsGmem(0x1000));
}

// What a time model charges for.
TEST_F(GpuMemoryTest, TrafficIsOfBuffersOnly) {
  ASSERT_TRUE(memory_.AddGmem(0x1000, 0x1000).ok());
  const uint64_t before = memory_.traffic();
  memory_.Write(0x1800, std::vector<uint8_t>(64));
  EXPECT_EQ(memory_.traffic(), before);
  memory_.Write(kIova + 3, std::vector<uint8_t>(64));
  memory_.Store32(kIova, 1);
  memory_.Load64(kIova);
  memory_.Load32(kUnmapped);
  EXPECT_EQ(memory_.traffic(), before + 64 + 4 + 8);
}

TEST_F(GpuMemoryTest, GmemIsForEnginesAlone) {
  ASSERT_TRUE(memory_.AddGmem(0, 0x1000).ok());
  EXPECT_TRUE(memory_.IsGmem(0xfff));
  EXPECT_FALSE(memory_.IsGmem(0x1000));
  memory_.Write(0xffe, std::vector<uint8_t>{1, 2, 3, 4});
  std::vector<uint8_t> bytes(4);
  memory_.Read(0xffe, bytes);
  EXPECT_EQ(bytes, (std::vector<uint8_t>{1, 2, 0, 0}));
  memory_.TakeCounters();
  memory_.Store32(0, 5);
  EXPECT_EQ(memory_.Load32(0), 0u);
  EXPECT_EQ(memory_.TakeCounters().unmapped_stores, 1u);
}

size_t BufferMappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("msm-gem") != std::string::npos) ++count;
  }
  return count;
}

TEST_F(GpuMemoryTest, MappingsAreBounded) {
  constexpr size_t kMost = 8;
  constexpr size_t kBuffers = 40;
  const size_t before = BufferMappings();
  std::vector<std::shared_ptr<Buffer>> buffers;
  GpuMemory bounded(kMost);
  bounded.Attach(space_);
  for (int round = 1; round <= 3; ++round) {
    for (size_t i = 0; i < kBuffers; ++i) {
      const uint64_t iova = kUnmapped + i * 4096;
      if (round == 1) buffers.push_back(MapNew(iova, 4096));
      bounded.Store32(iova, bounded.Load32(iova) + 1);
      EXPECT_EQ(bounded.Load32(iova), static_cast<uint32_t>(round));
    }
    EXPECT_LE(BufferMappings(), before + kMost);
  }
  bounded.Detach();
  buffers.clear();
  EXPECT_EQ(BufferMappings(), before);
}

}  // namespace
}  // namespace nacre::simulator
