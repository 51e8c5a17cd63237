// What a GPU's process in the guest's hands may ask for, and get refused.

#include "nacre/gpu_services.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

constexpr uint64_t kPage = kLargestPageSize;

class GpuServicesTest : public testing::Test {
 protected:
  static GpuServices Make(const std::string& node) {
    return GpuServices(*virtio_gpu::HostVisibleWindow::Create(
                           16 * kPage, {.max_mapped_blobs = 4}),
                       node);
  }

  GpuServices services_ = Make("/dev/null");
  Fd memfd_ = *CreateMemfd("test", 4 * kPage);
};

TEST_F(GpuServicesTest, MapsAMemfdThatCannotShrink) {
  Mapping ours = *Mapping::Shared(memfd_.get(), kPage, kPage);
  ours.data()[0] = 9;
  ASSERT_TRUE(services_.MapRegion(0, kPage, kPage, memfd_.get()).ok());
  EXPECT_EQ(services_.window()[0], 9);
  ASSERT_TRUE(services_.UnmapRegion(0).ok());
  EXPECT_EQ(services_.window()[0], 0);
}

// Attack: truncated later, so that the guest's access faults in KVM.
TEST_F(GpuServicesTest, AMemfdThatCanShrinkIsRefused) {
  const Fd loose(memfd_create("test", MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(loose.get(), kPage), 0);
  EXPECT_TRUE(
      absl::IsPermissionDenied(services_.MapRegion(0, kPage, 0, loose.get())));
}

// Attack: the host's last huge page, which the guest's access then waits for
// in vain.
TEST_F(GpuServicesTest, AMemfdOfHugePagesIsRefused) {
  const Fd huge(
      memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
  if (!huge.valid()) GTEST_SKIP() << "this system has no huge pages";
  constexpr uint64_t kHugePage = uint64_t{512} << 20;  // The largest default.
  ASSERT_EQ(ftruncate(huge.get(), kHugePage), 0);
  ASSERT_EQ(fcntl(huge.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_TRUE(
      absl::IsPermissionDenied(services_.MapRegion(0, kPage, 0, huge.get())));
}

TEST_F(GpuServicesTest, WhatIsNoMemfdIsRefused) {
  const std::string path = testing::TempDir() + "/file";
  const Fd file(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_EQ(ftruncate(file.get(), kPage), 0);
  const Fd event(eventfd(0, 0));
  const Fd null(open("/dev/zero", O_RDWR | O_CLOEXEC));
  for (const Fd* fd : {&file, &event, &null}) {
    EXPECT_TRUE(
        absl::IsPermissionDenied(services_.MapRegion(0, kPage, 0, fd->get())));
  }
}

// Attack: pages beyond its end, which fault.
TEST_F(GpuServicesTest, BeyondTheEndOfTheFileIsRefused) {
  for (const uint64_t offset : {4 * kPage, uint64_t{0} - kPage}) {
    EXPECT_TRUE(absl::IsOutOfRange(
        services_.MapRegion(0, kPage, offset, memfd_.get())));
  }
  EXPECT_TRUE(
      absl::IsOutOfRange(services_.MapRegion(0, 8 * kPage, 0, memfd_.get())));
}

// Attack: mapping over this process's own memory.
TEST_F(GpuServicesTest, OutsideTheWindowIsRefused) {
  EXPECT_TRUE(absl::IsOutOfRange(
      services_.MapRegion(16 * kPage, kPage, 0, memfd_.get())));
  EXPECT_TRUE(absl::IsOutOfRange(
      services_.MapRegion(uint64_t{0} - kPage, kPage, 0, memfd_.get())));
  EXPECT_TRUE(
      absl::IsInvalidArgument(services_.MapRegion(1, kPage, 0, memfd_.get())));
  EXPECT_TRUE(
      absl::IsInvalidArgument(services_.MapRegion(0, 0, 0, memfd_.get())));
}

TEST_F(GpuServicesTest, OverlappingAndTooManyMappingsAreRefused) {
  ASSERT_TRUE(services_.MapRegion(0, 2 * kPage, 0, memfd_.get()).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(
      services_.MapRegion(kPage, kPage, 0, memfd_.get())));
  for (uint64_t i = 2; i < 5; ++i) {
    EXPECT_TRUE(services_.MapRegion(i * kPage, kPage, 0, memfd_.get()).ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(
      services_.MapRegion(9 * kPage, kPage, 0, memfd_.get())));
  EXPECT_TRUE(services_.ClearRegion().ok());
  EXPECT_TRUE(services_.MapRegion(0, kPage, 0, memfd_.get()).ok());
}

TEST_F(GpuServicesTest, ARegionThatCannotBeClearedIsNotCalledSo) {
  Mapping ours = *Mapping::Shared(memfd_.get(), 0, kPage);
  ours.data()[0] = 9;
  ASSERT_TRUE(services_.MapRegion(0, kPage, 0, memfd_.get()).ok());
  {
    const HostFault fault({.first = 0, .repeatedly = true, .error = ENOMEM});
    EXPECT_FALSE(services_.ClearRegion().ok());
  }
  EXPECT_TRUE(services_.ClearRegion().ok());
  EXPECT_EQ(services_.window()[0], 0);
}

TEST_F(GpuServicesTest, OpensTheNodeAndNothingElse) {
  const Fd node = *services_.OpenNode();
  EXPECT_TRUE(node.valid());
  // Only what it opened may be mapped; /dev/null then fails in mmap.
  const absl::Status mapped = services_.MapRegion(0, kPage, 0, node.get());
  EXPECT_FALSE(mapped.ok());
  EXPECT_FALSE(absl::IsPermissionDenied(mapped));
  // No other device, and no other node.
  const Fd zero(open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(
      absl::IsPermissionDenied(services_.MapRegion(0, kPage, 0, zero.get())));
  GpuServices simulated = Make("");
  EXPECT_TRUE(absl::IsFailedPrecondition(simulated.OpenNode().status()));
}

}  // namespace
}  // namespace nacre
