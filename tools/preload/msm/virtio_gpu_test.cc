#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "simulator/pm4.h"

// The whole way of a command, as in production: a driver's requests on real
// queues, the device, the msm context, libdrm, ioctls. To be run with the
// preload, which is the kernel.

namespace nacre::preload {
namespace {

using msm::High;
using msm::Low;
using virtio_gpu::Request;
using virtio_gpu::VirtioGpu;
using virtio_gpu::wire::CtrlHeader;
using virtio_gpu::wire::kControlQueue;
using virtio_gpu::wire::Type;

constexpr uint32_t kContext = 1;
constexpr uint32_t kShmem = 1;
constexpr uint64_t kShmemSize = kLargestPageSize;

// A guest with one native context, whose control memory and buffers lie in the
// window one behind the other.
class NativeGuest {
 public:
  NativeGuest() {
    CHECK(driver_.Start().ok());
    CHECK(Call(virtio_gpu::CreateContextRequest(
              kContext, msm::VIRTIO_GPU_CAPSET_DRM)) == Type::kOkNodata);
    NewBlob(kShmem, 0, kShmemSize);
  }

  // RESOURCE_CREATE_BLOB and MAP_BLOB; returns where the CPU sees it.
  volatile uint32_t* NewBlob(uint32_t resource, uint64_t blob_id,
                             uint64_t size) {
    virtio_gpu::wire::ResourceCreateBlob blob = {};
    blob.resource_id = resource;
    blob.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kHost3d);
    blob.blob_flags = virtio_gpu::wire::kBlobFlagUseMappable;
    blob.blob_id = blob_id;
    blob.size = size;
    EXPECT_EQ(
        Call(Request(Type::kResourceCreateBlob).Context(kContext).With(blob)),
        Type::kOkNodata);
    EXPECT_EQ(Call(Request(Type::kCtxAttachResource)
                       .Context(kContext)
                       .With(virtio_gpu::wire::ResourceId{resource, 0})),
              Type::kOkNodata);
    const uint64_t offset = std::exchange(next_offset_, next_offset_ + size);
    EXPECT_EQ(Call(virtio_gpu::MapRequest(resource, offset)), Type::kOkMapInfo);
    return reinterpret_cast<volatile uint32_t*>(window() + offset);
  }
  // As Mesa: GEM_NEW, then the blob.
  volatile uint32_t* NewBuffer(uint32_t resource, uint64_t iova) {
    batch_.Add(msm::MSM_CCMD_GEM_NEW,
               {Low(iova), High(iova), Low(kLargestPageSize), 0, msm::MSM_BO_WC,
                resource});
    Flush();
    return NewBlob(resource, resource, kLargestPageSize);
  }

  msm::CcmdStream& batch() { return batch_; }
  // SUBMIT_3D of the batch; with a fence on a ring, returns when that is there.
  void Flush() {
    const std::vector<uint8_t> stream = std::exchange(batch_.bytes(), {});
    EXPECT_EQ(Call(virtio_gpu::SubmitRequest(kContext, stream)),
              Type::kOkNodata);
  }
  void FlushAndWait(uint8_t ring) {
    const std::vector<uint8_t> stream = std::exchange(batch_.bytes(), {});
    EXPECT_EQ(
        Call(virtio_gpu::SubmitRequest(kContext, stream).Fence(++fence_, ring)),
        Type::kOkNodata);
  }

  Type Call(const Request& request) {
    const std::vector<uint8_t> response =
        driver_.Call(kControlQueue, request.bytes(), sizeof(CtrlHeader) + 8);
    ByteReader reader(response);
    return static_cast<Type>(reader.ReadZeroExtended<CtrlHeader>().type);
  }

  msm::msm_shmem shmem() {
    msm::msm_shmem copy;
    std::memcpy(&copy, window(), sizeof(copy));
    return copy;
  }
  // The value that GET_PARAM answers.
  uint64_t GetParam(uint32_t param) {
    msm::drm_msm_param argument{};
    argument.pipe = msm::MSM_PIPE_3D0;
    argument.param = param;
    uint8_t* const slot = window() + shmem().rsp_mem_offset;
    const uint32_t room =
        sizeof(msm::msm_ccmd_ioctl_simple_rsp) + sizeof(argument);
    std::memcpy(slot, &room, sizeof(room));
    batch_.Add(msm::MSM_CCMD_IOCTL_SIMPLE, {msm::DRM_IOCTL_MSM_GET_PARAM},
               AsBytes(argument));
    FlushAndWait(0);
    EXPECT_EQ(shmem().seqno, batch_.seqno());
    std::memcpy(&argument, slot + sizeof(msm::msm_ccmd_ioctl_simple_rsp),
                sizeof(argument));
    return argument.value;
  }
  // The first dwords of the buffer `resource` as a submission.
  void Submit(uint32_t resource, uint32_t dwords, uint32_t other) {
    const msm::drm_msm_gem_submit_bo bos[] = {
        {.flags = msm::MSM_SUBMIT_BO_READ, .handle = resource, .presumed = 0},
        {.flags = msm::MSM_SUBMIT_BO_WRITE, .handle = other, .presumed = 0}};
    const msm::drm_msm_gem_submit_cmd command = {
        .type = msm::MSM_SUBMIT_CMD_BUF,
        .submit_idx = 0,
        .submit_offset = 0,
        .size = 4 * dwords,
        .pad = 0,
        .nr_relocs = 0,
        .relocs = 0};
    std::vector<uint8_t> arrays(sizeof(bos) + sizeof(command));
    std::memcpy(arrays.data(), bos, sizeof(bos));
    std::memcpy(arrays.data() + sizeof(bos), &command, sizeof(command));
    batch_.Add(msm::MSM_CCMD_GEM_SUBMIT,
               {msm::MSM_PIPE_3D0, /*queue=*/0, 2, 1, ++submitted_}, arrays);
    constexpr uint8_t kRing = 2;  // The default queue's priority, and one.
    FlushAndWait(kRing);
  }

 private:
  static VirtioGpu::Config Config() {
    VirtioGpu::Config config;
    config.num_scanouts = 0;
    config.window_bytes = 16 << 20;
    return config;
  }
  static std::unique_ptr<VirtioGpu> NewDevice(msm::DrmDevice& drm) {
    std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
    types.push_back(msm::MsmContextType::Create(drm).value());
    return VirtioGpu::Create(Config(), std::move(types),
                             std::make_unique<virtio_gpu::HeadlessSink>())
        .value();
  }
  uint8_t* window() { return device_->shared_memory_regions()[0].host.data(); }

  const std::unique_ptr<msm::LibdrmDevice> drm_ =
      msm::LibdrmDevice::Create("/dev/dri/renderD128").value();
  const std::unique_ptr<VirtioGpu> device_ = NewDevice(*drm_);
  virtio::FakeDriver driver_{device_.get()};
  msm::CcmdStream batch_;
  uint64_t next_offset_ = 0;
  uint64_t fence_ = 0;
  uint32_t submitted_ = 0;
};

TEST(VirtioGpuTest, TheChipIsTheHosts) {
  NativeGuest guest;
  EXPECT_EQ(guest.GetParam(msm::MSM_PARAM_GPU_ID), 660u);
  EXPECT_EQ(guest.shmem().async_error, 0u);
}

TEST(VirtioGpuTest, TheGpuWritesWhatTheGuestReads) {
  NativeGuest guest;
  const uint64_t start = guest.GetParam(msm::MSM_PARAM_VA_START);
  volatile uint32_t* const commands = guest.NewBuffer(2, start);
  volatile uint32_t* const target =
      guest.NewBuffer(3, start + kLargestPageSize);
  for (uint32_t i = 1; i <= 10; ++i) {
    const uint64_t iova = start + kLargestPageSize + 4 * uint64_t{i};
    commands[0] = simulator::EncodeCommand(simulator::Opcode::kMemWrite, 3);
    commands[1] = Low(iova);
    commands[2] = High(iova);
    commands[3] = 100 + i;
    guest.Submit(2, 4, 3);
    EXPECT_EQ(target[i], 100 + i);
  }
  EXPECT_EQ(guest.shmem().async_error, 0u);
  EXPECT_EQ(guest.shmem().global_faults, 0u);
}

TEST(VirtioGpuTest, BuffersAreGivenBack) {
  NativeGuest guest;
  const uint64_t start = guest.GetParam(msm::MSM_PARAM_VA_START);
  guest.NewBuffer(2, start);
  guest.batch().Add(msm::MSM_CCMD_GEM_SET_IOVA, {0, 0, 2, 0});
  guest.Flush();
  EXPECT_EQ(guest.Call(virtio_gpu::ResourceRequest(Type::kResourceUnref, 2)),
            Type::kOkNodata);
  // Its address is free again.
  guest.NewBuffer(3, start);
  EXPECT_EQ(guest.shmem().async_error, 0u);
}

}  // namespace
}  // namespace nacre::preload
