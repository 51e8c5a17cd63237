#include "simulator/simulated_file.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

using msm::GemMemory;

class SimulatedFileTest : public testing::Test {
 protected:
  SimulatedFileTest() : file_(device_->Open().value()) {}

  uint32_t NewHandle(uint64_t size = 4096) {
    return file_->GemNew(size, msm::MSM_BO_WC).value();
  }
  uint64_t Param(uint32_t param) { return file_->GetParam(param).value(); }

  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.chip = "a660"}).value();
  std::unique_ptr<msm::DrmFile> file_;
};

TEST(SimulatedFileParamTest, ChipsReportTheirOwnValues) {
  using Values = std::map<uint32_t, uint64_t>;
  const std::map<std::string, Values> chips = {
      {"a630",
       {{msm::MSM_PARAM_GPU_ID, 630},
        {msm::MSM_PARAM_CHIP_ID, 0x06030001},
        {msm::MSM_PARAM_GMEM_SIZE, 0x100000},
        {msm::MSM_PARAM_GMEM_BASE, 0x100000},
        {msm::MSM_PARAM_VA_START, 0x100000000},
        {msm::MSM_PARAM_VA_SIZE, 0x100000000},
        {msm::MSM_PARAM_PRIORITIES, 3},
        {msm::MSM_PARAM_PP_PGTABLE, 0},
        {msm::MSM_PARAM_SUSPENDS, 0},
        {msm::MSM_PARAM_FAULTS, 0},
        {msm::MSM_PARAM_HIGHEST_BANK_BIT, 15},
        {msm::MSM_PARAM_MACROTILE_MODE, 0},
        {msm::MSM_PARAM_UBWC_SWIZZLE, 6},
        {msm::MSM_PARAM_RAYTRACING, 0}}},
      {"a660",
       {{msm::MSM_PARAM_GPU_ID, 660},
        {msm::MSM_PARAM_CHIP_ID, 0x06060001},
        {msm::MSM_PARAM_GMEM_SIZE, 0x180000},
        {msm::MSM_PARAM_GMEM_BASE, 0},
        {msm::MSM_PARAM_VA_SIZE, 0x400000000},
        {msm::MSM_PARAM_HIGHEST_BANK_BIT, 16},
        {msm::MSM_PARAM_MACROTILE_MODE, 1}}},
      {"a730",
       {{msm::MSM_PARAM_GPU_ID, 0},
        {msm::MSM_PARAM_CHIP_ID, 0x07030001},
        {msm::MSM_PARAM_GMEM_SIZE, 0x200000},
        {msm::MSM_PARAM_GMEM_BASE, 0},
        {msm::MSM_PARAM_VA_SIZE, 0x400000000}}},
  };
  for (const auto& [name, values] : chips) {
    const auto device = SimulatedDevice::Create({.chip = name}).value();
    const auto file = device->Open().value();
    for (const auto& [param, value] : values) {
      EXPECT_EQ(file->GetParam(param).value(), value) << name << " " << param;
    }
  }
}

TEST_F(SimulatedFileTest, TimestampMovesForward) {
  const uint64_t before = Param(msm::MSM_PARAM_TIMESTAMP);
  while (Param(msm::MSM_PARAM_TIMESTAMP) == before) continue;
  EXPECT_GT(Param(msm::MSM_PARAM_TIMESTAMP), before);
}

TEST_F(SimulatedFileTest, ParamsThatCannotBeReadAreEinval) {
  for (const uint32_t param : {0u, msm::MSM_PARAM_SYSPROF, msm::MSM_PARAM_COMM,
                               msm::MSM_PARAM_UCHE_TRAP_BASE, 0x15u, ~0u}) {
    EXPECT_EQ(ErrnoOf(file_->GetParam(param)), EINVAL) << param;
  }
}

TEST_F(SimulatedFileTest, SetParamTakesNamesUpToAPage) {
  EXPECT_TRUE(file_->SetParamString(msm::MSM_PARAM_COMM, "game").ok());
  EXPECT_TRUE(
      file_->SetParamString(msm::MSM_PARAM_CMDLINE, std::string(4096, 'x'))
          .ok());
  EXPECT_EQ(ErrnoOf(file_->SetParamString(msm::MSM_PARAM_CMDLINE,
                                          std::string(4097, 'x'))),
            EINVAL);
  EXPECT_EQ(ErrnoOf(file_->SetParamString(msm::MSM_PARAM_GPU_ID, "1")), EINVAL);
}

// abi C.5.
TEST_F(SimulatedFileTest, GemNewChecksFlagsAndSize) {
  const std::array valid = {msm::MSM_BO_WC, msm::MSM_BO_CACHED,
                            msm::MSM_BO_CACHED_COHERENT,
                            msm::MSM_BO_WC | msm::MSM_BO_SCANOUT,
                            msm::MSM_BO_WC | msm::MSM_BO_GPU_READONLY};
  for (const uint32_t flags : valid) {
    EXPECT_TRUE(file_->GemNew(1, flags).ok()) << flags;
  }
  const std::array invalid = {
      0u, msm::MSM_BO_UNCACHED, msm::MSM_BO_WC | msm::MSM_BO_CACHED,
      msm::MSM_BO_WC | 0x8u, msm::MSM_BO_WC | msm::MSM_BO_NO_SHARE};
  for (const uint32_t flags : invalid) {
    EXPECT_EQ(ErrnoOf(file_->GemNew(4096, flags)), EINVAL) << flags;
  }
  EXPECT_EQ(ErrnoOf(file_->GemNew(0, msm::MSM_BO_WC)), EINVAL);
  EXPECT_EQ(ErrnoOf(file_->GemNew(UINT64_MAX, msm::MSM_BO_WC)), ENOMEM);
}

TEST_F(SimulatedFileTest, BuffersAreZeroedWholePages) {
  const uint32_t handle = NewHandle(0x4500);
  EXPECT_EQ(file_->GemGetSize(handle).value(), 0x5000u);
  const GemMemory memory = file_->GemGetMemory(handle).value();
  const Mapping mapping =
      Mapping::Shared(memory.fd, memory.offset, 0x5000).value();
  for (const uint8_t byte : mapping.bytes()) ASSERT_EQ(byte, 0);
}

TEST_F(SimulatedFileTest, MemoryLimitIsEnomemUntilSomethingIsClosed) {
  const auto device = SimulatedDevice::Create({.memory_limit = 0x3000}).value();
  const auto file = device->Open().value();
  const uint32_t handle = file->GemNew(0x2000, msm::MSM_BO_WC).value();
  EXPECT_EQ(ErrnoOf(file->GemNew(0x2000, msm::MSM_BO_WC)), ENOMEM);
  ASSERT_TRUE(file->GemClose(handle).ok());
  EXPECT_TRUE(file->GemNew(0x2000, msm::MSM_BO_WC).ok());
}

TEST_F(SimulatedFileTest, HandlesAreTheSmallestFreeNumbers) {
  EXPECT_EQ(NewHandle(), 1u);
  EXPECT_EQ(NewHandle(), 2u);
  EXPECT_EQ(NewHandle(), 3u);
  ASSERT_TRUE(file_->GemClose(2).ok());
  ASSERT_TRUE(file_->GemClose(1).ok());
  EXPECT_EQ(NewHandle(), 1u);
  EXPECT_EQ(NewHandle(), 2u);
  EXPECT_EQ(NewHandle(), 4u);
}

TEST_F(SimulatedFileTest, UnknownHandles) {
  const uint32_t closed = NewHandle();
  ASSERT_TRUE(file_->GemClose(closed).ok());
  for (const uint32_t handle : {0u, closed, 77u, ~0u}) {
    EXPECT_EQ(ErrnoOf(file_->GemClose(handle)), EINVAL);
    EXPECT_EQ(ErrnoOf(file_->GemSetIova(handle, 0)), ENOENT);
    EXPECT_EQ(ErrnoOf(file_->GemSetName(handle, "x")), ENOENT);
    EXPECT_EQ(ErrnoOf(file_->GemCpuPrep(handle, msm::MSM_PREP_READ)), ENOENT);
    EXPECT_EQ(ErrnoOf(file_->GemGetMemory(handle)), ENOENT);
    EXPECT_EQ(ErrnoOf(file_->GemGetSize(handle)), ENOENT);
    EXPECT_EQ(ErrnoOf(file_->GemExport(handle)), ENOENT);
  }
}

TEST_F(SimulatedFileTest, NamesHaveAtMost31Bytes) {
  const uint32_t handle = NewHandle();
  EXPECT_TRUE(file_->GemSetName(handle, std::string(31, 'n')).ok());
  EXPECT_EQ(ErrnoOf(file_->GemSetName(handle, std::string(32, 'n'))), EINVAL);
}

TEST_F(SimulatedFileTest, CpuPrepRefusesUnknownOps) {
  EXPECT_EQ(ErrnoOf(file_->GemCpuPrep(NewHandle(), 0x10)), EINVAL);
}

// PRIME.
TEST_F(SimulatedFileTest, ImportInTheSameFileGivesTheSameHandle) {
  const uint32_t handle = NewHandle();
  const Fd dmabuf = file_->GemExport(handle).value();
  EXPECT_EQ(file_->GemImport(dmabuf.get()).value(), handle);
  // Not counted twice.
  EXPECT_TRUE(file_->GemClose(handle).ok());
  EXPECT_EQ(ErrnoOf(file_->GemClose(handle)), EINVAL);
}

TEST_F(SimulatedFileTest, ImportInAnotherFileIsTheSameObject) {
  const uint32_t handle = NewHandle(0x3000);
  const Fd dmabuf = file_->GemExport(handle).value();
  const auto other = device_->Open().value();
  const uint32_t imported = other->GemImport(dmabuf.get()).value();
  EXPECT_EQ(other->GemGetSize(imported).value(), 0x3000u);
  EXPECT_EQ(device_->stats().buffers, 1u);
  ASSERT_TRUE(file_->GemClose(handle).ok());
  EXPECT_EQ(device_->stats().buffers, 1u);
  ASSERT_TRUE(other->GemClose(imported).ok());
  EXPECT_EQ(device_->stats().buffers, 0u);
}

TEST_F(SimulatedFileTest, MemoryOutlivesTheHandleInTheExport) {
  const uint32_t handle = NewHandle();
  const Fd dmabuf = file_->GemExport(handle).value();
  {
    const Mapping mapping = Mapping::Shared(dmabuf.get(), 0, 4096).value();
    mapping.bytes()[5] = 0x5a;
  }
  ASSERT_TRUE(file_->GemClose(handle).ok());
  const uint32_t again = file_->GemImport(dmabuf.get()).value();
  const Mapping mapping =
      Mapping::Shared(file_->GemGetMemory(again).value().fd, 0, 4096).value();
  EXPECT_EQ(mapping.bytes()[5], 0x5a);
}

TEST_F(SimulatedFileTest, ImportOfSomethingElseFails) {
  EXPECT_EQ(ErrnoOf(file_->GemImport(-1)), EBADF);
  EXPECT_EQ(ErrnoOf(file_->GemImport(0x7ffffff0)), EBADF);
  // Could shrink below a mapping.
  const Fd unsealed(memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(unsealed.get(), 4096), 0);
  EXPECT_EQ(ErrnoOf(file_->GemImport(unsealed.get())), EINVAL);
  const Fd not_pages = CreateMemfd("odd", 100).value();
  EXPECT_EQ(ErrnoOf(file_->GemImport(not_pages.get())), EINVAL);
}

// abi C.6.
TEST_F(SimulatedFileTest, SetIovaRules) {
  const uint64_t start = Param(msm::MSM_PARAM_VA_START);
  const uint64_t end = start + Param(msm::MSM_PARAM_VA_SIZE);
  const uint32_t a = NewHandle(0x2000);
  const uint32_t b = NewHandle(0x2000);
  EXPECT_TRUE(file_->GemSetIova(a, 0).ok());  // Nothing to release.
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(a, start - 0x1000)), ENOSPC);
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(a, end - 0x1000)), ENOSPC);
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(a, end)), ENOSPC);
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(a, ~uint64_t{0xfff})), ENOSPC);
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(a, start + 0x800)), ENOSPC);
  EXPECT_TRUE(file_->GemSetIova(a, end - 0x2000).ok());
  EXPECT_TRUE(file_->GemSetIova(a, 0).ok());

  EXPECT_TRUE(file_->GemSetIova(a, start).ok());
  EXPECT_TRUE(file_->GemSetIova(a, start).ok());  // The same again.
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(b, start + 0x1000)), ENOSPC);
  EXPECT_TRUE(file_->GemSetIova(b, start + 0x2000).ok());
}

TEST_F(SimulatedFileTest, AnotherIovaIsEbusyAndDropsTheFirst) {
  const uint64_t start = Param(msm::MSM_PARAM_VA_START);
  const uint32_t a = NewHandle();
  const uint32_t b = NewHandle();
  ASSERT_TRUE(file_->GemSetIova(a, start).ok());
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(a, start + 0x10000)), EBUSY);
  EXPECT_TRUE(file_->GemSetIova(b, start).ok());
  EXPECT_TRUE(file_->GemSetIova(a, start + 0x10000).ok());
}

TEST_F(SimulatedFileTest, TheLastCloseReleasesTheIova) {
  const uint64_t start = Param(msm::MSM_PARAM_VA_START);
  const uint32_t a = NewHandle();
  ASSERT_TRUE(file_->GemSetIova(a, start).ok());
  ASSERT_TRUE(file_->GemClose(a).ok());
  EXPECT_TRUE(file_->GemSetIova(NewHandle(), start).ok());
}

TEST_F(SimulatedFileTest, IovaOutlivesTheHandleWhileAnotherFileHasTheObject) {
  const uint64_t start = Param(msm::MSM_PARAM_VA_START);
  const uint32_t a = NewHandle();
  ASSERT_TRUE(file_->GemSetIova(a, start).ok());
  const auto other = device_->Open().value();
  ASSERT_TRUE(other->GemImport(file_->GemExport(a).value().get()).ok());
  ASSERT_TRUE(file_->GemClose(a).ok());
  EXPECT_EQ(ErrnoOf(file_->GemSetIova(NewHandle(), start)), ENOSPC);
}

// abi C.8.
TEST_F(SimulatedFileTest, SubmitqueuesCountUpAndAreNotReused) {
  EXPECT_EQ(file_->SubmitqueueNew(0, 0).value(), 1u);
  EXPECT_EQ(file_->SubmitqueueNew(0, 2).value(), 2u);
  EXPECT_TRUE(file_->SubmitqueueClose(1).ok());
  EXPECT_EQ(file_->SubmitqueueNew(0, 1).value(), 3u);
}

TEST_F(SimulatedFileTest, SubmitqueueErrors) {
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueNew(0, 3)), EINVAL);
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueNew(0x10, 0)), EINVAL);
  EXPECT_EQ(
      ErrnoOf(file_->SubmitqueueNew(msm::MSM_SUBMITQUEUE_ALLOW_PREEMPT, 0)),
      EINVAL);
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueClose(0)), ENOENT);
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueClose(1)), ENOENT);
  const uint32_t id = file_->SubmitqueueNew(0, 0).value();
  EXPECT_TRUE(file_->SubmitqueueClose(id).ok());
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueClose(id)), ENOENT);
}

TEST_F(SimulatedFileTest, SubmitqueuesAreCapped) {
  for (size_t i = 1; i < SimulatedFile::kMaxSubmitQueues; ++i) {
    ASSERT_TRUE(file_->SubmitqueueNew(0, 0).ok());
  }
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueNew(0, 0)), ENOMEM);
  ASSERT_TRUE(file_->SubmitqueueClose(1).ok());
  EXPECT_TRUE(file_->SubmitqueueNew(0, 0).ok());
}

TEST_F(SimulatedFileTest, SubmitqueueQueryCopiesWhatFits) {
  std::array<uint8_t, 8> out;
  out.fill(0xff);
  EXPECT_EQ(file_->SubmitqueueQuery(0, msm::MSM_SUBMITQUEUE_PARAM_FAULTS, out)
                .value(),
            4u);
  EXPECT_EQ(out, (std::array<uint8_t, 8>{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(
      file_->SubmitqueueQuery(0, msm::MSM_SUBMITQUEUE_PARAM_FAULTS, {}).value(),
      0u);
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueQuery(9, 0, out)), ENOENT);
  EXPECT_EQ(ErrnoOf(file_->SubmitqueueQuery(0, 1, out)), EINVAL);
}

}  // namespace
}  // namespace nacre::simulator
