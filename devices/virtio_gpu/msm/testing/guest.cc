#include "devices/virtio_gpu/msm/testing/guest.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::msm {
namespace {

template <typename T>
std::span<const uint8_t> BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()),
          values.size() * sizeof(T)};
}

}  // namespace

uint32_t CcmdStream::Add(uint32_t cmd, std::initializer_list<uint32_t> words,
                         std::span<const uint8_t> tail, uint32_t rsp_off) {
  const size_t start = bytes_.size();
  const size_t size =
      sizeof(vdrm_ccmd_req) + words.size() * sizeof(uint32_t) + tail.size();
  const vdrm_ccmd_req header = {
      .cmd = cmd,
      .len = static_cast<uint32_t>((size + 3) & ~size_t{3}),
      .seqno = ++seqno_,
      .rsp_off = rsp_off};
  bytes_.resize(start + header.len);
  uint8_t* out = bytes_.data() + start;
  std::memcpy(out, &header, sizeof(header));
  out += sizeof(header);
  for (const uint32_t word : words) {
    std::memcpy(out, &word, sizeof(word));
    out += sizeof(word);
  }
  if (!tail.empty()) std::memcpy(out, tail.data(), tail.size());
  return header.seqno;
}

Guest::Guest(virtio_gpu::ContextType& type, uint64_t shmem_size) {
  auto context = type.CreateContext(1, "test");
  CHECK(context.ok()) << context.status();
  context_ = *std::move(context);
  if (shmem_size == 0) return;
  auto blob = context_->CreateBlob({.resource_id = kShmemResource,
                                    .blob_id = 0,
                                    .size = shmem_size,
                                    .mappable = true});
  CHECK(blob.ok()) << blob.status();
  CHECK_EQ((*blob)->size(), shmem_size);
  CHECK(context_->AttachResource(kShmemResource, **blob).ok());
  blobs_[kShmemResource] = *std::move(blob);
  shmem_ = Map(kShmemResource);
  rsp_mem_offset_ = Shmem().rsp_mem_offset;
}

absl::Status Guest::Flush(std::optional<uint8_t> fence_ring) {
  const std::vector<uint8_t> stream = std::exchange(batch_.bytes(), {});
  if (stream.empty() && !fence_ring) return absl::OkStatus();
  return context_->Submit(stream, fence_ring);
}

std::vector<uint8_t> Guest::Call(uint32_t cmd,
                                 std::initializer_list<uint32_t> words,
                                 std::span<const uint8_t> tail, uint32_t room) {
  // Slots as Mesa hands them out: 8-byte multiples, wrapping.
  const uint32_t slot_size = (room + 7) & ~7u;
  if (next_response_ + slot_size > kShmemSize - rsp_mem_offset_) {
    next_response_ = 0;
  }
  const uint32_t rsp_off =
      std::exchange(next_response_, next_response_ + slot_size);
  uint8_t* const slot = shmem_.data() + rsp_mem_offset_ + rsp_off;
  std::memset(slot, 0xee, slot_size);
  std::memcpy(slot, &room, sizeof(room));
  const uint32_t seqno = batch_.Add(cmd, words, tail, rsp_off);
  Flush().IgnoreError();
  CHECK_EQ(this->seqno(), seqno) << "a guest would wait for ever";
  uint32_t length = 0;
  std::memcpy(&length, slot, sizeof(length));
  CHECK_LE(length, room);
  return {slot, slot + length};
}

int32_t Guest::CallForResult(uint32_t cmd,
                             std::initializer_list<uint32_t> words) {
  const std::vector<uint8_t> answer =
      Call(cmd, words, {}, sizeof(msm_ccmd_wait_fence_rsp));
  ByteReader reader(answer);
  return reader.ReadZeroExtended<msm_ccmd_wait_fence_rsp>().ret;
}

int32_t Guest::IoctlBytes(uint32_t code, std::span<uint8_t> argument) {
  const std::vector<uint8_t> answer =
      Call(MSM_CCMD_IOCTL_SIMPLE, {code}, argument,
           sizeof(msm_ccmd_ioctl_simple_rsp) + argument.size());
  ByteReader reader(answer);
  const auto head = reader.ReadZeroExtended<msm_ccmd_ioctl_simple_rsp>();
  const size_t size = std::min(reader.remaining(), argument.size());
  if (size != 0) {
    std::memcpy(argument.data(), reader.ReadBytes(size)->data(), size);
  }
  return head.ret;
}

uint32_t Guest::NewQueue(uint32_t prio) {
  drm_msm_submitqueue queue = {.flags = 0, .prio = prio, .id = 0};
  const int32_t ret = Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue);
  CHECK_EQ(ret, 0);
  return queue.id;
}

absl::Status Guest::Submit(const GuestSubmit& submit,
                           std::optional<uint8_t> fence_ring) {
  CHECK(Flush().ok());
  std::vector<uint8_t> arrays;
  const auto append = [&arrays](std::span<const uint8_t> bytes) {
    arrays.insert(arrays.end(), bytes.begin(), bytes.end());
  };
  append(BytesOf(submit.bos));
  append(BytesOf(submit.cmds));
  batch_.Add(MSM_CCMD_GEM_SUBMIT,
             {submit.flags, submit.queue_id, Low(submit.bos.size()),
              Low(submit.cmds.size()), submit.fence},
             arrays);
  return Flush(fence_ring);
}

absl::StatusOr<uint32_t> Guest::NewBuffer(uint64_t size, uint64_t iova,
                                          uint32_t flags, bool shareable) {
  RETURN_IF_ERROR(Flush());
  const uint32_t blob_id = next_blob_id_++;
  const uint32_t resource_id = next_resource_++;
  batch_.Add(MSM_CCMD_GEM_NEW,
             {Low(iova), High(iova), Low(size), High(size), flags, blob_id});
  // The guest's kernel sends both, whatever becomes of the first.
  const absl::Status submitted = Flush();
  ASSIGN_OR_RETURN(
      std::unique_ptr<virtio_gpu::Blob> blob,
      context_->CreateBlob({.resource_id = resource_id,
                            .blob_id = blob_id,
                            .size = *CheckedAlignUp(size, page_size_),
                            .mappable = true,
                            .shareable = shareable}));
  CHECK(submitted.ok());
  CHECK(context_->AttachResource(resource_id, *blob).ok());
  blobs_[resource_id] = std::move(blob);
  return resource_id;
}

void Guest::CloseBuffer(uint32_t resource_id) {
  if (context_ != nullptr) context_->DetachResource(resource_id);
  blobs_.erase(resource_id);
}

Mapping Guest::Map(uint32_t resource_id) {
  virtio_gpu::Blob& blob = *blobs_[resource_id];
  const absl::StatusOr<virtio_gpu::BlobMemory> memory = blob.GetMemory();
  CHECK(memory.ok()) << memory.status();
  absl::StatusOr<Mapping> mapping =
      Mapping::Shared(memory->fd, memory->offset, blob.size());
  CHECK(mapping.ok()) << mapping.status();
  return *std::move(mapping);
}

msm_shmem Guest::Shmem() const {
  CHECK(shmem_.valid());
  msm_shmem copy;
  std::memcpy(&copy, shmem_.data(), sizeof(copy));
  return copy;
}

}  // namespace nacre::msm
