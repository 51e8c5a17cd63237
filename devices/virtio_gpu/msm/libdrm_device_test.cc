#include "devices/virtio_gpu/msm/libdrm_device.h"

#include <drm.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

std::string Message(const absl::Status& status) {
  return absl::StrCat(status.message());
}

// The kernel's end of the ioctls: remembers each request with its bytes, and
// answers with the bytes or the errno that the test put in.
class FakeKernel final : public DrmIoctl {
 public:
  int Call(int fd, uint32_t request, void* argument) override {
    // Or a jailed process would be ended for it.
    EXPECT_NE(std::ranges::find(kLibdrmIoctls, request), kLibdrmIoctls.end())
        << request;
    if (request == DRM_IOCTL_VERSION) return Version(argument);
    last_fd = fd;
    last_request = request;
    // The size is in the code (asm-generic/ioctl.h): bits 16 to 29.
    const size_t size = (request >> 16) & 0x3fff;
    last_bytes.resize(size);
    std::memcpy(last_bytes.data(), argument, size);
    if (error != 0) {
      errno = error;
      return -1;
    }
    for (const auto& [offset, value] : answer) {
      std::memcpy(static_cast<uint8_t*>(argument) + offset, &value,
                  sizeof(value));
    }
    return 0;
  }

  template <typename T>
  T last() const {
    T value;
    EXPECT_EQ(last_bytes.size(), sizeof(T));
    std::memcpy(&value, last_bytes.data(), sizeof(T));
    return value;
  }

  std::string driver = "msm";
  int error = 0;
  int version_error = 0;
  std::map<size_t, uint32_t> answer;  // By offset.
  int last_fd = -1;
  uint32_t last_request = 0;
  std::vector<uint8_t> last_bytes;

 private:
  int Version(void* argument) {
    if (version_error != 0) {
      errno = version_error;
      return -1;
    }
    auto* version = static_cast<drm_version*>(argument);
    version->version_major = 1;
    version->version_minor = 12;
    version->version_patchlevel = 3;
    std::memcpy(version->name, driver.data(),
                std::min(driver.size(), version->name_len));
    version->name_len = driver.size();
    return 0;
  }
};

TEST(LibdrmDeviceTest, AMissingNodeIsNotFound) {
  const auto device = LibdrmDevice::Create("/dev/dri/no-such-node");
  EXPECT_EQ(device.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(Message(device.status()),
              AllOf(HasSubstr("/dev/dri/no-such-node"), HasSubstr("renderD")));
}

// By the kernel itself: it answers VERSION with ENOTTY.
TEST(LibdrmDeviceTest, WhatIsNoDrmNodeIsRefused) {
  const auto device = LibdrmDevice::Create("/dev/null");
  EXPECT_EQ(device.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(device.status()),
              AllOf(HasSubstr("/dev/null"), HasSubstr("not a DRM node")));
}

TEST(LibdrmDeviceTest, ANodeWithoutPermissionSaysWhatToDo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may open everything";
  const std::string path = testing::TempDir() + "/node";
  const Fd file(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0));
  const auto device = LibdrmDevice::Create(path);
  EXPECT_EQ(device.status().code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(device.status()), HasSubstr("group"));
}

TEST(LibdrmDeviceTest, AnotherDriversNodeIsRefusedByName) {
  FakeKernel kernel;
  kernel.driver = "virtio_gpu";
  const auto device = LibdrmDevice::Create("/dev/null", kernel);
  EXPECT_EQ(device.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(device.status()),
              AllOf(HasSubstr("virtio_gpu"), HasSubstr("msm, is needed")));
  for (const std::string& name :
       {std::string("msm2"), std::string("ms"), std::string(), std::string(),
        std::string(100, 'm')}) {
    kernel.driver = name;
    EXPECT_FALSE(LibdrmDevice::Create("/dev/null", kernel).ok()) << name;
  }
}

// An msm node: /dev/null stands for it where the file itself matters.
class LibdrmFileTest : public testing::Test {
 protected:
  FakeKernel kernel_;
  std::unique_ptr<LibdrmDevice> device_ =
      *LibdrmDevice::Create("/dev/null", kernel_);
  std::unique_ptr<DrmFile> file_ = *device_->Open();
};

TEST_F(LibdrmFileTest, VersionIsTheDrivers) {
  EXPECT_EQ(device_->version().major, 1u);
  EXPECT_EQ(device_->version().minor, 12u);
  EXPECT_EQ(device_->version().patchlevel, 3u);
}

// drivers/gpu/drm/msm/msm_gem.c, msm_gem_pgprot.
TEST_F(LibdrmFileTest, CpusMapWriteCombinedWhatIsNotCached) {
  EXPECT_EQ(device_->CachingOf(MSM_BO_CACHED), CpuCaching::kCached);
  EXPECT_EQ(device_->CachingOf(MSM_BO_CACHED_COHERENT | MSM_BO_SCANOUT),
            CpuCaching::kCached);
  EXPECT_EQ(device_->CachingOf(MSM_BO_WC), CpuCaching::kWriteCombined);
  EXPECT_EQ(device_->CachingOf(MSM_BO_WC | MSM_BO_GPU_READONLY),
            CpuCaching::kWriteCombined);
  EXPECT_EQ(device_->CachingOf(MSM_BO_UNCACHED), CpuCaching::kWriteCombined);
  EXPECT_EQ(device_->CachingOf(0), CpuCaching::kWriteCombined);  // Imported.
}

TEST_F(LibdrmFileTest, ItsPagesAreTheHosts) {
  EXPECT_EQ(device_->page_size(), HostPageSize());
}

TEST_F(LibdrmFileTest, EveryOpenIsAFileOfItsOwn) {
  const auto other = *device_->Open();
  EXPECT_TRUE(file_->GemClose(1).ok());
  const int fd = kernel_.last_fd;
  EXPECT_TRUE(other->GemClose(1).ok());
  EXPECT_NE(kernel_.last_fd, fd);
}

// In a process that cannot open files, somebody else does.
TEST_F(LibdrmFileTest, AnOpenerOpensInItsPlace) {
  int opened = 0;
  const auto device = *LibdrmDevice::Create("/nowhere", kernel_, [&] {
    ++opened;
    return OpenRenderNode("/dev/null");
  });
  EXPECT_TRUE(device->Open().ok());
  EXPECT_EQ(opened, 2);
}

TEST_F(LibdrmFileTest, ErrnosArriveUnchanged) {
  for (const int error : {ENOMEM, EINVAL, EIO, EBUSY, EDEADLK, ENXIO, ENOENT,
                          ENOSPC, EMFILE, ENODEV, ETIMEDOUT}) {
    kernel_.error = error;
    EXPECT_EQ(StatusErrno(file_->GetParam(1).status()), error);
    EXPECT_EQ(StatusErrno(file_->SetParamString(1, "name")), error);
    EXPECT_EQ(StatusErrno(file_->GemNew(4096, 0).status()), error);
    EXPECT_EQ(StatusErrno(file_->GemClose(1)), error);
    EXPECT_EQ(StatusErrno(file_->GemSetIova(1, 4096)), error);
    EXPECT_EQ(StatusErrno(file_->GemSetName(1, "name")), error);
    EXPECT_EQ(StatusErrno(file_->GemCpuPrep(1, MSM_PREP_READ)), error);
    EXPECT_EQ(StatusErrno(file_->GemExport(1).status()), error);
    EXPECT_EQ(StatusErrno(file_->GemImport(0).status()), error);
    EXPECT_EQ(StatusErrno(file_->GemGetSize(1).status()), error);
    EXPECT_EQ(StatusErrno(file_->GemGetMemory(1).status()), error);
    EXPECT_EQ(StatusErrno(file_->GemSubmit({}).status()), error);
    EXPECT_EQ(StatusErrno(file_->WaitFence(1, 1, 0)), error);
    EXPECT_EQ(StatusErrno(file_->SubmitqueueNew(0, 0).status()), error);
    EXPECT_EQ(StatusErrno(file_->SubmitqueueClose(1)), error);
    EXPECT_EQ(StatusErrno(file_->SubmitqueueQuery(0, 0, {}).status()), error);
  }
}

TEST_F(LibdrmFileTest, GetParamAsksPipe3d0) {
  kernel_.answer = {{8, 0x1234}, {12, 0x5678}};
  EXPECT_EQ(*file_->GetParam(MSM_PARAM_CHIP_ID), 0x5678'0000'1234u);
  EXPECT_EQ(kernel_.last_request, 0xc0186440u);
  const auto argument = kernel_.last<drm_msm_param>();
  EXPECT_EQ(argument.pipe, 0x10u);
  EXPECT_EQ(argument.param, MSM_PARAM_CHIP_ID);
  EXPECT_EQ(argument.len, 0u);
}

TEST_F(LibdrmFileTest, SetParamStringPassesItsBytes) {
  const std::string name = "glmark2";
  EXPECT_TRUE(file_->SetParamString(MSM_PARAM_COMM, name).ok());
  EXPECT_EQ(kernel_.last_request, 0x40186441u);
  const auto argument = kernel_.last<drm_msm_param>();
  EXPECT_EQ(argument.param, 0x0cu);
  EXPECT_EQ(argument.value, reinterpret_cast<uintptr_t>(name.data()));
  EXPECT_EQ(argument.len, 7u);
}

TEST_F(LibdrmFileTest, GemNewReturnsTheHandle) {
  kernel_.answer = {{12, 9}};
  EXPECT_EQ(*file_->GemNew(8192, MSM_BO_WC), 9u);
  EXPECT_EQ(kernel_.last_request, 0xc0106442u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_new>().size, 8192u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_new>().flags, MSM_BO_WC);
}

TEST_F(LibdrmFileTest, GemCloseIsTheCores) {
  EXPECT_TRUE(file_->GemClose(7).ok());
  EXPECT_EQ(kernel_.last_request, 0x40086409u);
  EXPECT_EQ(kernel_.last<drm_gem_close>().handle, 7u);
}

TEST_F(LibdrmFileTest, GemInfoCarriesIovaNameAndOffset) {
  EXPECT_TRUE(file_->GemSetIova(7, 0x1'0000'1000).ok());
  EXPECT_EQ(kernel_.last_request, 0xc0186443u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().handle, 7u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().info, 4u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().value, 0x1'0000'1000u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().len, 0u);
  EXPECT_TRUE(file_->GemSetName(7, "abc").ok());
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().info, 2u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().len, 3u);
  kernel_.answer = {{8, 0x5000}, {12, 1}};
  const GemMemory memory = *file_->GemGetMemory(7);
  EXPECT_EQ(kernel_.last<drm_msm_gem_info>().info, 0u);
  EXPECT_EQ(memory.offset, 0x1'0000'5000u);
  EXPECT_EQ(memory.fd, kernel_.last_fd);
}

TEST_F(LibdrmFileTest, CpuPrepNeverWaits) {
  EXPECT_TRUE(file_->GemCpuPrep(3, MSM_PREP_WRITE).ok());
  EXPECT_EQ(kernel_.last_request, 0x40186444u);
  EXPECT_EQ(kernel_.last<drm_msm_gem_cpu_prep>().op,
            MSM_PREP_WRITE | MSM_PREP_NOSYNC);
}

TEST_F(LibdrmFileTest, PrimeHandlesAndDmabufs) {
  const int dmabuf = open("/dev/null", O_RDWR | O_CLOEXEC);
  kernel_.answer = {{8, static_cast<uint32_t>(dmabuf)}};
  const Fd exported = *file_->GemExport(4);
  EXPECT_EQ(exported.get(), dmabuf);
  EXPECT_EQ(kernel_.last_request, 0xc00c642du);
  EXPECT_EQ(kernel_.last<drm_prime_handle>().handle, 4u);
  EXPECT_EQ(kernel_.last<drm_prime_handle>().flags,
            static_cast<uint32_t>(O_CLOEXEC | O_RDWR));
  kernel_.answer = {{0, 11}};
  EXPECT_EQ(*file_->GemImport(dmabuf), 11u);
  EXPECT_EQ(kernel_.last_request, 0xc00c642eu);
  EXPECT_EQ(kernel_.last<drm_prime_handle>().fd, dmabuf);
}

// A dma-buf's size is where it ends; a file stands for one here.
TEST_F(LibdrmFileTest, SizeIsTheDmabufsEnd) {
  const std::string path = testing::TempDir() + "/dmabuf";
  const int file = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_EQ(ftruncate(file, 12288), 0);
  kernel_.answer = {{8, static_cast<uint32_t>(file)}};
  EXPECT_EQ(*file_->GemGetSize(4), 12288u);
  EXPECT_EQ(fcntl(file, F_GETFD), -1) << "closed again";
}

TEST_F(LibdrmFileTest, SubmitNamesItsFenceAndAsksForAnother) {
  const std::vector<drm_msm_gem_submit_bo> bos(3);
  const std::vector<drm_msm_gem_submit_cmd> cmds(2);
  const int fence = open("/dev/null", O_RDWR | O_CLOEXEC);
  kernel_.answer = {{32, static_cast<uint32_t>(fence)}};
  const Fd out = *file_->GemSubmit({.flags = MSM_PIPE_3D0,
                                    .queue_id = 5,
                                    .fence = 77,
                                    .bos = bos,
                                    .cmds = cmds});
  EXPECT_EQ(out.get(), fence);
  EXPECT_EQ(kernel_.last_request, 0xc0486446u);
  const auto argument = kernel_.last<drm_msm_gem_submit>();
  EXPECT_EQ(argument.flags, MSM_PIPE_3D0 | 0x02000000u | 0x20000000u);
  EXPECT_EQ(argument.fence, 77u);
  EXPECT_EQ(argument.nr_bos, 3u);
  EXPECT_EQ(argument.nr_cmds, 2u);
  EXPECT_EQ(argument.bos, reinterpret_cast<uintptr_t>(bos.data()));
  EXPECT_EQ(argument.cmds, reinterpret_cast<uintptr_t>(cmds.data()));
  EXPECT_EQ(argument.queueid, 5u);
  EXPECT_EQ(argument.nr_in_syncobjs, 0u);
  EXPECT_EQ(argument.pad, 0u);
}

TEST_F(LibdrmFileTest, SubmitAsksForNoFenceThatNobodyWants) {
  kernel_.answer = {{32, 0}};
  SubmitRequest request;
  request.flags = MSM_PIPE_3D0;
  request.fence_out = false;
  EXPECT_FALSE(file_->GemSubmit(request)->valid());
  EXPECT_EQ(kernel_.last<drm_msm_gem_submit>().flags,
            MSM_PIPE_3D0 | MSM_SUBMIT_FENCE_SN_IN);
}

TEST_F(LibdrmFileTest, WaitFenceHasADeadlineInThePast) {
  kernel_.error = ETIMEDOUT;
  EXPECT_EQ(StatusErrno(file_->WaitFence(5, 77, MSM_WAIT_FENCE_BOOST)),
            ETIMEDOUT);
  EXPECT_EQ(kernel_.last_request, 0x40206447u);
  const auto argument = kernel_.last<drm_msm_wait_fence>();
  EXPECT_EQ(argument.fence, 77u);
  EXPECT_EQ(argument.flags, MSM_WAIT_FENCE_BOOST);
  EXPECT_EQ(argument.timeout.tv_sec, 0);
  EXPECT_EQ(argument.queueid, 5u);
}

TEST_F(LibdrmFileTest, SubmitqueuesComeAndGo) {
  kernel_.answer = {{8, 3}};
  EXPECT_EQ(*file_->SubmitqueueNew(1, 2), 3u);
  EXPECT_EQ(kernel_.last_request, 0xc00c644au);
  EXPECT_EQ(kernel_.last<drm_msm_submitqueue>().flags, 1u);
  EXPECT_EQ(kernel_.last<drm_msm_submitqueue>().prio, 2u);
  kernel_.answer.clear();
  EXPECT_TRUE(file_->SubmitqueueClose(3).ok());
  EXPECT_EQ(kernel_.last_request, 0x4004644bu);
  EXPECT_EQ(kernel_.last<uint32_t>(), 3u);
}

TEST_F(LibdrmFileTest, SubmitqueueQueryFillsFourBytesAtMost) {
  std::vector<uint8_t> out(8);
  EXPECT_EQ(*file_->SubmitqueueQuery(3, MSM_SUBMITQUEUE_PARAM_FAULTS, out), 4u);
  EXPECT_EQ(kernel_.last_request, 0x4018644cu);
  const auto argument = kernel_.last<drm_msm_submitqueue_query>();
  EXPECT_EQ(argument.data, reinterpret_cast<uintptr_t>(out.data()));
  EXPECT_EQ(argument.id, 3u);
  EXPECT_EQ(argument.len, 8u);
  EXPECT_EQ(*file_->SubmitqueueQuery(3, 0, std::span(out).first(2)), 2u);
}

}  // namespace
}  // namespace nacre::msm
