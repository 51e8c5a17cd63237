#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_GUEST_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_GUEST_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// Builds a stream of ccmds as a guest would lay it out: each at 4-byte
// alignment behind the one before.
class CcmdStream {
 public:
  // A ccmd of any shape: its header, then `words` (u32 each), then `tail`.
  // Returns its seqno; they count from 1 over the object's life.
  uint32_t Add(uint32_t cmd, std::initializer_list<uint32_t> words,
               std::span<const uint8_t> tail = {}, uint32_t rsp_off = 0);

  std::vector<uint8_t>& bytes() { return bytes_; }
  uint32_t seqno() const { return seqno_; }

 private:
  std::vector<uint8_t> bytes_;
  uint32_t seqno_ = 0;
};

inline constexpr uint32_t Low(uint64_t value) {
  return static_cast<uint32_t>(value);
}
inline constexpr uint32_t High(uint64_t value) {
  return static_cast<uint32_t>(value >> 32);
}

// What a test puts into a GEM_SUBMIT; buffers by resource id.
struct GuestSubmit {
  uint32_t flags = MSM_PIPE_3D0;
  uint32_t queue_id = 0;
  uint32_t fence = 1;
  std::vector<drm_msm_gem_submit_bo> bos = {};
  std::vector<drm_msm_gem_submit_cmd> cmds = {};
};

// A guest program with its kernel, down to the plug that virtio-gpu calls: what
// Mesa and Linux do with one context, in their order. Buffers are resources
// whose host blobs the kernel keeps.
class Guest {
 public:
  static constexpr uint64_t kShmemSize = kLargestPageSize;
  static constexpr uint32_t kShmemResource = 1;

  // CTX_CREATE, and the control memory with it unless the size is 0.
  explicit Guest(virtio_gpu::ContextType& type,
                 uint64_t shmem_size = kShmemSize);

  virtio_gpu::Context& context() { return *context_; }
  void DestroyContext() { context_.reset(); }

  // Commands that wait for the next Flush, as Mesa's batch.
  CcmdStream& batch() { return batch_; }
  // SUBMIT_3D of the batch. With a fence, also of an empty one.
  absl::Status Flush(std::optional<uint8_t> fence_ring = {});

  // A command with its answer: room for `room` bytes of it, flushed, waited for
  // (that is: the seqno must be there). Returns what was written, its length
  // first; cut to the length that the host gave.
  std::vector<uint8_t> Call(uint32_t cmd, std::initializer_list<uint32_t> words,
                            std::span<const uint8_t> tail, uint32_t room);
  // For answers that are {len, ret}.
  int32_t CallForResult(uint32_t cmd, std::initializer_list<uint32_t> words);
  // IOCTL_SIMPLE; `argument` is updated from the answer where there is one.
  template <typename T>
  int32_t Ioctl(uint32_t code, T& argument) {
    return IoctlBytes(code, AsWritableBytes(argument));
  }
  int32_t IoctlBytes(uint32_t code, std::span<uint8_t> argument);

  // SUBMITQUEUE_NEW that must succeed.
  uint32_t NewQueue(uint32_t prio);
  absl::Status Submit(const GuestSubmit& submit,
                      std::optional<uint8_t> fence_ring = {});

  // Of the guest's kernel, the host's at first.
  void set_page_size(uint64_t page_size) { page_size_ = page_size; }
  // GEM_NEW and RESOURCE_CREATE_BLOB, as one ioctl of the guest's kernel.
  // Returns the resource id; counts up from 2.
  absl::StatusOr<uint32_t> NewBuffer(uint64_t size, uint64_t iova,
                                     uint32_t flags = MSM_BO_WC,
                                     bool shareable = false);
  virtio_gpu::Blob& blob(uint32_t resource_id) { return *blobs_[resource_id]; }
  // CTX_DETACH_RESOURCE and RESOURCE_UNREF.
  void CloseBuffer(uint32_t resource_id);
  // The resource's memory, as the guest sees it through the window.
  Mapping Map(uint32_t resource_id);

  // The control memory.
  uint32_t seqno() const { return Shmem().seqno; }
  uint32_t async_error() const { return Shmem().async_error; }
  uint32_t global_faults() const { return Shmem().global_faults; }
  uint8_t* shmem() const { return shmem_.data(); }
  uint32_t rsp_mem_offset() const { return rsp_mem_offset_; }

 private:
  msm_shmem Shmem() const;

  uint64_t page_size_ = HostPageSize();
  std::unique_ptr<virtio_gpu::Context> context_;
  std::map<uint32_t, std::unique_ptr<virtio_gpu::Blob>> blobs_;
  Mapping shmem_;
  uint32_t rsp_mem_offset_ = 0;
  CcmdStream batch_;
  uint32_t next_response_ = 0;
  uint32_t next_resource_ = kShmemResource + 1;
  uint32_t next_blob_id_ = 2;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_GUEST_H_
