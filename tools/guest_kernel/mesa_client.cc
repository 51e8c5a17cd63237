#include "tools/guest_kernel/mesa_client.h"

#include <sched.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::guest_kernel {
namespace {

using msm::High;
using msm::Low;
using virtio_gpu::wire::kBlobFlagUseMappable;

constexpr uint64_t kShmemSize = kLargestPageSize;
constexpr uint32_t kRings = 64;

}  // namespace

MesaClient::MesaClient(VirtioGpuDriver* driver)
    : driver_(driver),
      context_(driver->CreateContext({.capset_id = msm::VIRTIO_GPU_CAPSET_DRM,
                                      .num_rings = kRings,
                                      .name = "mesa_client"})) {
  auto shmem = context_->CreateBlob(
      {.flags = kBlobFlagUseMappable, .blob_id = 0, .size = kShmemSize}, {});
  CHECK(shmem.ok()) << shmem.status();
  shmem_ = *std::move(shmem);
  context_->Attach(*shmem_);
  driver_->Notify();
  const absl::StatusOr<MappedBlob> mapped = shmem_->WaitMapped();
  CHECK(mapped.ok()) << mapped.status();
  shmem_memory_ = mapped->address;
  rsp_mem_offset_ = ShmemWord(offsetof(msm::msm_shmem, rsp_mem_offset));
}

MesaClient::~MesaClient() { context_->Detach(*shmem_); }

uint32_t MesaClient::ShmemWord(size_t offset) const {
  return std::atomic_ref<uint32_t>(
             *reinterpret_cast<uint32_t*>(shmem_memory_ + offset))
      .load(std::memory_order_acquire);
}

uint32_t MesaClient::seqno() const {
  return ShmemWord(offsetof(msm::msm_shmem, seqno));
}

uint32_t MesaClient::async_error() const {
  return ShmemWord(offsetof(msm::msm_shmem, async_error));
}

void MesaClient::Flush() {
  if (batch_.bytes().empty()) return;
  CHECK(context_->Submit(batch_.bytes(), std::nullopt, /*fenced=*/false).ok());
  batch_.bytes().clear();
}

std::shared_ptr<Fence> MesaClient::FlushFenced(uint32_t ring) {
  auto fence = context_->Submit(batch_.bytes(), ring, /*fenced=*/true);
  CHECK(fence.ok()) << fence.status();
  batch_.bytes().clear();
  return *std::move(fence);
}

std::vector<uint8_t> MesaClient::Call(uint32_t cmd,
                                      std::initializer_list<uint32_t> words,
                                      std::span<const uint8_t> tail,
                                      uint32_t room) {
  uint8_t* const slot = shmem_memory_ + rsp_mem_offset_;
  std::memcpy(slot, &room, sizeof(room));
  const uint32_t seqno = batch_.Add(cmd, words, tail, /*rsp_off=*/0);
  FlushFenced(kCpuRing)->Wait();
  while (static_cast<int32_t>(this->seqno() - seqno) < 0) sched_yield();
  uint32_t length = 0;
  std::memcpy(&length, slot, sizeof(length));
  CHECK_LE(length, room);
  return {slot, slot + length};
}

uint32_t MesaClient::NewQueue(uint32_t prio) {
  const msm::drm_msm_submitqueue queue = {.flags = 0, .prio = prio, .id = 0};
  const std::vector<uint8_t> answer = Call(
      msm::MSM_CCMD_IOCTL_SIMPLE, {msm::DRM_IOCTL_MSM_SUBMITQUEUE_NEW},
      AsBytes(queue), sizeof(msm::msm_ccmd_ioctl_simple_rsp) + sizeof(queue));
  ByteReader reader(answer);
  const auto head = reader.ReadZeroExtended<msm::msm_ccmd_ioctl_simple_rsp>();
  CHECK_EQ(head.ret, 0);
  return reader.ReadZeroExtended<msm::drm_msm_submitqueue>().id;
}

MesaClient::Buffer MesaClient::NewBuffer(uint64_t size) {
  size = *CheckedAlignUp(size, HostPageSize());
  Flush();
  const uint32_t blob_id = next_blob_id_++;
  Buffer buffer;
  buffer.iova = std::exchange(next_iova_, next_iova_ + size);
  batch_.Add(msm::MSM_CCMD_GEM_NEW,
             {Low(buffer.iova), High(buffer.iova), Low(size), High(size),
              msm::MSM_BO_WC, blob_id});
  auto blob = context_->CreateBlob(
      {.flags = kBlobFlagUseMappable, .blob_id = blob_id, .size = size},
      batch_.bytes());
  batch_.bytes().clear();
  CHECK(blob.ok()) << blob.status();
  buffer.blob = *std::move(blob);
  context_->Attach(*buffer.blob);
  driver_->Notify();
  return buffer;
}

void MesaClient::Map(Buffer& buffer) {
  const absl::StatusOr<MappedBlob> mapped = buffer.blob->WaitMapped();
  CHECK(mapped.ok()) << mapped.status();
  buffer.memory = *mapped;
}

void MesaClient::Close(Buffer buffer) {
  batch_.Add(msm::MSM_CCMD_GEM_SET_IOVA, {0, 0, buffer.blob->resource_id(), 0});
  Flush();
  context_->Detach(*buffer.blob);
  driver_->Notify();
}

void MesaClient::AddSubmit(uint32_t queue, const Buffer& stream,
                           uint32_t dwords,
                           std::span<const Buffer* const> others) {
  std::vector<uint8_t> arrays;
  const auto append = [&arrays](std::span<const uint8_t> bytes) {
    arrays.insert(arrays.end(), bytes.begin(), bytes.end());
  };
  const auto append_bo = [&append](const Buffer& buffer, uint32_t flags) {
    append(AsBytes(msm::drm_msm_gem_submit_bo{
        .flags = flags, .handle = buffer.blob->resource_id(), .presumed = 0}));
  };
  append_bo(stream, msm::MSM_SUBMIT_BO_READ);
  for (const Buffer* const other : others) {
    append_bo(*other, msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE);
  }
  append(AsBytes(msm::drm_msm_gem_submit_cmd{.type = msm::MSM_SUBMIT_CMD_BUF,
                                             .submit_idx = 0,
                                             .submit_offset = 0,
                                             .size = dwords * 4,
                                             .pad = 0,
                                             .nr_relocs = 0,
                                             .relocs = 0}));
  batch_.Add(
      msm::MSM_CCMD_GEM_SUBMIT,
      {msm::MSM_PIPE_3D0, queue, Low(1 + others.size()), 1, next_fence_++},
      arrays);
}

}  // namespace nacre::guest_kernel
