#include "tools/preload/virtgpu/virtgpu_node.h"

#include <fcntl.h>
#include <libdrm/drm.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <string>

#include "devices/virtio_gpu/msm/testing/guest.h"
#include "simulator/pm4.h"
#include "tools/preload/virtgpu/node_fixture.h"

namespace nacre::preload {
namespace {

// Without a context, as just opened.
class FreshVirtgpuNodeTest : public VirtgpuNodeTest {
 protected:
  int GetParam(uint64_t param, int32_t& value) {
    drm_virtgpu_getparam argument = {
        .param = param, .value = reinterpret_cast<uintptr_t>(&value)};
    return Call(DRM_IOCTL_VIRTGPU_GETPARAM, argument);
  }
  int GetCaps(uint32_t id, uint32_t version, void* out, uint32_t size) {
    drm_virtgpu_get_caps argument = {.cap_set_id = id,
                                     .cap_set_ver = version,
                                     .addr = reinterpret_cast<uintptr_t>(out),
                                     .size = size,
                                     .pad = 0};
    return Call(DRM_IOCTL_VIRTGPU_GET_CAPS, argument);
  }
};

// With a native context.
class NativeVirtgpuNodeTest : public FreshVirtgpuNodeTest {
 protected:
  NativeVirtgpuNodeTest() { EXPECT_EQ(InitContext(node_, NativeContext()), 0); }

  int Export(uint32_t handle) {
    drm_prime_handle prime = {
        .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1};
    EXPECT_EQ(Call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    return prime.fd;
  }
  int Import(int fd, int dma_buf, uint32_t* handle = nullptr) {
    drm_prime_handle prime = {.handle = 0, .flags = 0, .fd = dma_buf};
    const int error = Call(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, prime);
    if (handle != nullptr) *handle = prime.handle;
    return error;
  }
  uint32_t ResourceOf(int fd, uint32_t handle) {
    drm_virtgpu_resource_info info{};
    info.bo_handle = handle;
    EXPECT_EQ(Call(fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, info), 0);
    return info.res_handle;
  }
  bool SummaryHas(const std::string& member) {
    return gpu_->SummaryJson().find(member) != std::string::npos;
  }
};

TEST_F(FreshVirtgpuNodeTest, SaysThatItIsVirtioGpu) {
  char name[16] = {};
  drm_version version{};
  version.name = name;
  version.name_len = sizeof(name);
  ASSERT_EQ(Call(DRM_IOCTL_VERSION, version), 0);
  EXPECT_STREQ(name, "virtio_gpu");
  EXPECT_EQ(version.version_minor, 1);
}

TEST_F(FreshVirtgpuNodeTest, ParamsAreTheDevices) {
  int32_t value = -1;
  for (const uint64_t param :
       {VIRTGPU_PARAM_3D_FEATURES, VIRTGPU_PARAM_CAPSET_QUERY_FIX,
        VIRTGPU_PARAM_RESOURCE_BLOB, VIRTGPU_PARAM_HOST_VISIBLE,
        VIRTGPU_PARAM_CROSS_DEVICE, VIRTGPU_PARAM_CONTEXT_INIT,
        VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME}) {
    ASSERT_EQ(GetParam(param, value), 0) << param;
    EXPECT_EQ(value, 1) << param;
  }
  ASSERT_EQ(GetParam(VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs, value), 0);
  EXPECT_EQ(value, 1 << kCapset);
  EXPECT_EQ(GetParam(9, value), EINVAL);
}

TEST_F(FreshVirtgpuNodeTest, CapsAreCopiedAsFarAsThereIsRoom) {
  std::array<uint32_t, 64> caps;
  caps.fill(0x55555555);
  ASSERT_EQ(GetCaps(kCapset, 0, caps.data(), 24), 0);
  EXPECT_EQ(caps[0], 2u);  // wire_format_version.
  EXPECT_EQ(caps[4], 1u);  // context_type: msm.
  EXPECT_EQ(caps[6], 0x55555555u);
  ASSERT_EQ(GetCaps(kCapset, 0, caps.data(), sizeof(caps)), 0);
  EXPECT_EQ(caps[12], 660u);         // gpu_id.
  EXPECT_EQ(caps[40], 0x55555555u);  // The capset has 160 bytes.

  EXPECT_EQ(GetCaps(kCapset, 0, caps.data(), 0), EINVAL);
  EXPECT_EQ(GetCaps(kCapset, 1, caps.data(), 24), EINVAL);
  EXPECT_EQ(GetCaps(kCapset + 1, 0, caps.data(), 24), EINVAL);
}

TEST_F(FreshVirtgpuNodeTest, ContextInitChecksItsParameters) {
  const auto init = [this](const ContextParams& params) {
    const int fd = Open();
    return InitContext(fd, params);
  };
  EXPECT_EQ(init({{9, 0}}), EINVAL);
  EXPECT_EQ(init({{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, 1}}), EINVAL);
  EXPECT_EQ(init({{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, 64}}), EINVAL);
  EXPECT_EQ(init({{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset},
                  {VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset}}),
            EINVAL);
  EXPECT_EQ(init({{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset},
                  {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 65}}),
            EINVAL);
  EXPECT_EQ(init({{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset},
                  {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 2},
                  {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 4}}),
            EINVAL);
  EXPECT_EQ(init(ContextParams(5, {9, 0})), EINVAL);
  const char name[] = "a name";
  EXPECT_EQ(init({{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, kCapset},
                  {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64},
                  {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, ~uint64_t{0}},
                  {VIRTGPU_CONTEXT_PARAM_DEBUG_NAME,
                   reinterpret_cast<uintptr_t>(name)}}),
            0);
}

TEST_F(FreshVirtgpuNodeTest, AFileHasOneContext) {
  EXPECT_EQ(InitContext(node_, NativeContext()), 0);
  EXPECT_EQ(InitContext(node_, NativeContext()), EEXIST);
  EXPECT_EQ(InitContext(Open(), NativeContext()), 0);
}

TEST_F(NativeVirtgpuNodeTest, BlobsAreChecked) {
  drm_virtgpu_resource_create_blob good{};
  good.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
  good.size = 4096;
  const auto create = [this](drm_virtgpu_resource_create_blob blob) {
    return Call(DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, blob);
  };
  drm_virtgpu_resource_create_blob bad = good;
  bad.blob_mem = 4;
  EXPECT_EQ(create(bad), EINVAL);
  bad = good;
  bad.blob_flags = 8;
  EXPECT_EQ(create(bad), EINVAL);
  bad = good;
  bad.cmd_size = 6;
  EXPECT_EQ(create(bad), EINVAL);
}

TEST_F(NativeVirtgpuNodeTest, HandlesAreTheLowestFreeOnes) {
  EXPECT_EQ(NewBuffer().handle, 1u);
  EXPECT_EQ(NewBuffer().handle, 2u);
  EXPECT_EQ(CloseHandle(1), 0);
  EXPECT_EQ(CloseHandle(1), EINVAL);
  EXPECT_EQ(NewBuffer().handle, 1u);
  EXPECT_EQ(NewBuffer().handle, 3u);
}

TEST_F(NativeVirtgpuNodeTest, InfoTellsTheResource) {
  const Buffer buffer = NewBuffer(5000);
  drm_virtgpu_resource_info info{};
  info.bo_handle = buffer.handle;
  ASSERT_EQ(Call(DRM_IOCTL_VIRTGPU_RESOURCE_INFO, info), 0);
  EXPECT_EQ(info.res_handle, buffer.resource);
  EXPECT_EQ(info.size, 8192u);
  EXPECT_EQ(info.blob_mem, VIRTGPU_BLOB_MEM_HOST3D);
  info.bo_handle = 9;
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_RESOURCE_INFO, info), ENOENT);
}

TEST_F(NativeVirtgpuNodeTest, ObjectsAreMappedWhole) {
  const Buffer buffer = NewBuffer(8192);
  Map(buffer.handle, 8192)[2047] = 5;
  // Any length of those pages is all of them.
  EXPECT_EQ(Map(buffer.handle, 8000)[2047], 5u);
  EXPECT_EQ(StatusErrno(TryMap(buffer.handle, 4096).status()), EINVAL);
  EXPECT_EQ(StatusErrno(TryMap(buffer.handle, 12288).status()), EINVAL);
  EXPECT_EQ(StatusErrno(TryMap(NewBuffer(4096, 0).handle, 4096).status()),
            EINVAL);
  drm_virtgpu_map map = {.offset = 0, .handle = 9, .pad = 0};
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_MAP, map), ENOENT);
}

TEST_F(NativeVirtgpuNodeTest, AMappingOutlivesItsHandle) {
  const Buffer buffer = NewBuffer();
  volatile uint32_t* const first = Map(buffer.handle);
  volatile uint32_t* const second = Map(buffer.handle);
  ASSERT_EQ(CloseHandle(buffer.handle), 0);
  // The device has let go of it.
  EXPECT_TRUE(SummaryHas("\"resources_now\": \"0\""));
  first[7] = 8;
  EXPECT_EQ(second[7], 8u);
}

TEST_F(NativeVirtgpuNodeTest, TheGpuWritesWhatTheProgramReads) {
  const Buffer buffer = NewBuffer();
  volatile uint32_t* const memory = Map(buffer.handle);
  const uint64_t target = buffer.iova + 1024;
  memory[0] = simulator::EncodeCommand(simulator::Opcode::kMemWrite, 3);
  memory[1] = msm::Low(target);
  memory[2] = msm::High(target);
  memory[3] = 42;
  const int fence = ExecuteForFence(Submission(buffer, 0, 4));
  ASSERT_TRUE(Readable(fence, kLong));
  EXPECT_EQ(memory[256], 42u);
}

TEST_F(NativeVirtgpuNodeTest, BuffersGoFromFileToFile) {
  const Buffer buffer = NewBuffer(
      8192, VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE);
  const int dma_buf = Export(buffer.handle);
  EXPECT_EQ(lseek(dma_buf, 0, SEEK_END), 8192);
  uint32_t handle = 0;
  ASSERT_EQ(Import(node_, dma_buf, &handle), 0);
  EXPECT_EQ(handle, buffer.handle);

  const int other = Open();
  ASSERT_EQ(InitContext(other, NativeContext()), 0);
  ASSERT_EQ(Import(other, dma_buf, &handle), 0);
  EXPECT_EQ(ResourceOf(other, handle), buffer.resource);
  uint32_t again = 0;
  ASSERT_EQ(Import(other, dma_buf, &again), 0);
  EXPECT_EQ(again, handle);
  // It lives as long as anybody has it.
  ASSERT_EQ(CloseHandle(buffer.handle), 0);
  Close(dma_buf);
  EXPECT_TRUE(SummaryHas("\"resources_now\": \"1\""));
  Close(other);
  EXPECT_TRUE(SummaryHas("\"resources_now\": \"0\""));
}

TEST_F(NativeVirtgpuNodeTest, ADmaBufIsOneFileAndCanBeMapped) {
  const Buffer buffer = NewBuffer();
  const int one = Export(buffer.handle), two = Export(buffer.handle);
  struct stat first = {}, second = {};
  ASSERT_EQ(fstat(one, &first), 0);
  ASSERT_EQ(fstat(two, &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
  const absl::StatusOr<void*> mapping =
      fds_.Find(one)->Map({.length = 4096,
                           .protection = PROT_READ,
                           .flags = MAP_SHARED,
                           .offset = 0});
  ASSERT_TRUE(mapping.ok()) << mapping.status();
  Map(buffer.handle)[3] = 4;
  EXPECT_EQ(static_cast<volatile uint32_t*>(*mapping)[3], 4u);
}

TEST_F(NativeVirtgpuNodeTest, WhatIsNoDmaBufIsNotImported) {
  EXPECT_EQ(Import(node_, node_), EINVAL);
  EXPECT_EQ(Import(node_, STDERR_FILENO), EINVAL);
  EXPECT_EQ(Import(node_, -1), EBADF);
  drm_prime_handle prime = {.handle = 9, .flags = 0, .fd = -1};
  EXPECT_EQ(Call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), ENOENT);
}

// As Linux answers them, whatever the device says.
TEST_F(NativeVirtgpuNodeTest, TransfersAreSentAndCompleted) {
  drm_virtgpu_3d_transfer transfer{};
  transfer.bo_handle = 9;
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, transfer), ENOENT);
  transfer.bo_handle = NewBuffer().handle;
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, transfer), 0);
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, transfer), 0);
  drm_virtgpu_3d_wait wait = {.handle = transfer.bo_handle, .flags = 0};
  EXPECT_EQ(Call(DRM_IOCTL_VIRTGPU_WAIT, wait), 0);
}

TEST_F(NativeVirtgpuNodeTest, CrossDeviceBuffersGetUuids) {
  NewBuffer(4096, VIRTGPU_BLOB_FLAG_USE_SHAREABLE |
                      VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE);
  EXPECT_TRUE(SummaryHas("\"error_responses\": \"0\""));
}

TEST_F(NativeVirtgpuNodeTest, ClosingTheFileLeavesNothing) {
  const int other = Open();
  ASSERT_EQ(InitContext(other, NativeContext()), 0);
  EXPECT_TRUE(SummaryHas("\"contexts_now\": \"2\""));
  Close(other);
  EXPECT_TRUE(SummaryHas("\"contexts_now\": \"1\""));
  for (int i = 0; i < 10; ++i) Map(NewBuffer().handle);
  Close(node_);
  EXPECT_TRUE(SummaryHas("\"contexts_now\": \"0\""));
  EXPECT_TRUE(SummaryHas("\"resources_now\": \"0\""));
  EXPECT_TRUE(SummaryHas("\"mapped_bytes_now\": \"0\""));
  EXPECT_TRUE(SummaryHas("\"errors\": \"0\""));
}

}  // namespace
}  // namespace nacre::preload
