#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SHMEM_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SHMEM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/checked.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// A context's control memory (the blob with blob_id 0): msm_shmem at its start,
// then the area for responses, whose slots the guest hands out. The guest has
// it mapped writable and may scribble over all of it, so nothing here depends
// on what was stored before, with one exception that is safe for any value: the
// room that the guest presets in a slot.
class Shmem {
 public:
  // Mesa asks for 16 KiB, of which a guest makes one page of its own. Attack
  // stopped: host memory; Limits::max_control_memories are counted.
  static constexpr uint64_t kMaxSize = 64 << 10;
  static constexpr uint32_t kResponseOffset = sizeof(msm_shmem);

  // Room for a response, within the area.
  class Slot {
   private:
    friend class Shmem;
    explicit Slot(uint32_t position) : position_(position) {}
    uint32_t position_;
  };

  // `size` as the guest asked. InvalidArgument below kSmallestPageSize or
  // above kMaxSize.
  static absl::StatusOr<Shmem> Create(uint64_t size);

  // The guest's share in the memory; independent of this object's life. The
  // caller has counted it in `counters`, which outlive it, where it counts
  // itself out when it ends.
  absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> MakeBlob(
      bool mappable, Counters& counters) const;

  // OutOfRange where a response of `size` bytes at the guest's `rsp_off` would
  // leave the area.
  absl::StatusOr<Slot> Reserve(uint32_t rsp_off, uint32_t size) const {
    if (ABSL_PREDICT_FALSE(
            !RangeFits(rsp_off, size, mapping_.size() - kResponseOffset))) {
      return NoRoom(rsp_off, size);
    }
    return Slot(kResponseOffset + rsp_off);
  }
  // Writes a response (that starts with a vdrm_ccmd_rsp, filled here), cut to
  // the room that the guest preset. `response` has the size reserved, or less.
  void Respond(Slot slot, std::span<uint8_t> response);

  // What happened before is visible to a guest that sees the new value.
  void PublishSeqno(uint32_t seqno) {
    __atomic_store_n(Field(offsetof(msm_shmem, seqno)), seqno,
                     __ATOMIC_RELEASE);
  }
  void AddAsyncError();
  void SetGlobalFaults(uint32_t faults);

 private:
  Shmem(Fd memory, Mapping mapping)
      : memory_(std::move(memory)), mapping_(std::move(mapping)) {}

  static absl::Status NoRoom(uint32_t rsp_off, uint32_t size);
  uint32_t* Field(size_t offset) const {
    return reinterpret_cast<uint32_t*>(mapping_.data() + offset);
  }

  Fd memory_;
  Mapping mapping_;
  uint32_t async_error_ = 0;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SHMEM_H_
