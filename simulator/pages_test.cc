#include <cerrno>
#include <cstdint>
#include <memory>

#include "base/errno_status.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"
#include "simulator/simulated_device.h"

// The driver in kernels with pages of 4, 16 and 64 KiB.

namespace nacre::simulator {
namespace {

class PagesTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    if (page_ < HostPageSize()) GTEST_SKIP() << "this host's pages are larger";
    device_ = *SimulatedDevice::Create({.page_size = page_});
    file_ = *device_->Open();
  }

  const uint64_t page_ = GetParam();
  std::unique_ptr<SimulatedDevice> device_;
  std::unique_ptr<msm::DrmFile> file_;
};

INSTANTIATE_TEST_SUITE_P(KernelPages, PagesTest, testing::ValuesIn(kPageSizes));

TEST_P(PagesTest, BuffersAreWholePages) {
  EXPECT_EQ(device_->page_size(), page_);
  for (const uint64_t size : {uint64_t{1}, page_}) {
    EXPECT_EQ(*file_->GemGetSize(*file_->GemNew(size, msm::MSM_BO_WC)), page_);
  }
  EXPECT_EQ(*file_->GemGetSize(*file_->GemNew(page_ + 1, msm::MSM_BO_WC)),
            2 * page_);
}

TEST_P(PagesTest, AddressesAreMultiplesOfAPage) {
  const uint64_t start = device_->chip().va_start;
  const uint32_t handle = *file_->GemNew(1, msm::MSM_BO_WC);
  EXPECT_EQ(StatusErrno(file_->GemSetIova(handle, start + page_ / 2)), ENOSPC);
  EXPECT_TRUE(file_->GemSetIova(handle, start + page_).ok());
  // A buffer takes all of its page.
  const uint32_t next = *file_->GemNew(1, msm::MSM_BO_WC);
  EXPECT_EQ(StatusErrno(file_->GemSetIova(next, start + page_)), ENOSPC);
  EXPECT_TRUE(file_->GemSetIova(next, start + 2 * page_).ok());
}

// The GPU is a program that has memfds mapped, whatever the flags say.
TEST_P(PagesTest, CpusHaveEverythingCached) {
  for (const uint32_t flags :
       {msm::MSM_BO_WC, msm::MSM_BO_CACHED, msm::MSM_BO_CACHED_COHERENT}) {
    EXPECT_EQ(device_->CachingOf(flags), msm::CpuCaching::kCached) << flags;
  }
}

TEST(PagesCreateTest, RefusesPagesThatCannotBe) {
  for (const uint64_t page :
       {uint64_t{0}, HostPageSize() / 2, 3 * HostPageSize()}) {
    EXPECT_EQ(SimulatedDevice::Create({.page_size = page}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << page;
  }
}

}  // namespace
}  // namespace nacre::simulator
