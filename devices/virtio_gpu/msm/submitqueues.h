#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/drm_device.h"

namespace nacre::msm {

// A context's submitqueues, and per virtio-gpu ring the fence of the last
// submit. Queues of priority p run on ring p + 1 (the msm driver keeps all
// queues of one file and priority in one order); ring 0 is the CPU's.
//
// A fence is a descriptor to make and to close, for which nobody asks with most
// submits. So it is made where it is asked for: with the work, or, for work
// that has none, by a submit of nothing behind it.
class Submitqueues {
 public:
  static constexpr size_t kRings = 64;  // ring_idx of virtio-gpu: 0..63.

  // `priorities` is the capset's; at most `max_queues` besides the driver's
  // own.
  Submitqueues(DrmFile& drm, uint32_t priorities, size_t max_queues,
               Counters& counters);
  // Closes the queues; work in them goes on.
  ~Submitqueues();
  Submitqueues(const Submitqueues&) = delete;
  Submitqueues& operator=(const Submitqueues&) = delete;

  // Returns the new queue's id. EINVAL for flags or a priority that we do not
  // pass on, ENOSPC beyond max_queues, or what the driver says.
  absl::StatusOr<uint32_t> New(uint32_t flags, uint32_t prio);
  absl::Status Close(uint32_t id);

  // ENOENT for an unknown queue.
  absl::Status GetRing(uint32_t id, uint32_t& ring) const {
    const Queue* const queue = Find(id);
    if (ABSL_PREDICT_FALSE(queue == nullptr)) return NoQueue(id);
    ring = queue->ring;
    return {};
  }
  // DrmFile's, and ENOENT for an unknown queue: those of our own are, too.
  absl::StatusOr<uint32_t> Query(uint32_t id, uint32_t param,
                                 std::span<uint8_t> out);
  absl::Status WaitFence(uint32_t id, uint32_t fence, uint32_t flags);

  // The guest has more work on the ring; if the request was for a fence, all of
  // it is done when `fence` is readable.
  void Submitted(uint32_t ring, const SubmitRequest& request, Fd&& fence) {
    last_[ring] = {request.queue_id, request.fence};
    if (ABSL_PREDICT_TRUE(!request.fence_out)) {
      unfenced_ |= uint64_t{1} << ring;
      return;
    }
    SetFence(ring, std::move(fence));
  }
  // Sees to it that TakeFence has a fence for all work on the ring that it did
  // not have one for yet. Rings beyond the last have none.
  absl::Status MakeFence(uint8_t ring) {
    if (ring >= kRings || (unfenced_ >> ring & 1) == 0) return {};
    return MakeFenceBehind(ring);
  }
  // The fence since the last call, or an invalid one.
  Fd TakeFence(uint8_t ring) { return std::move(fences_[ring]); }
  // A fence for all of the guest's work on the ring, which TakeFence knows
  // nothing of: an invalid one if it is done.
  absl::StatusOr<Fd> FenceUnfinished(uint32_t ring);

 private:
  struct Queue {
    uint32_t id;
    uint32_t ring;
  };

  // Null where there is none.
  const Queue* Find(uint32_t id) const {
    // Of a handful.
    for (const Queue& queue : queues_) {
      if (queue.id == id) return &queue;
    }
    return nullptr;
  }
  static absl::Status NoQueue(uint32_t id);
  void SetFence(uint32_t ring, Fd fence) {
    unfenced_ &= ~(uint64_t{1} << ring);
    fences_[ring] = std::move(fence);
  }
  absl::Status MakeFenceBehind(uint32_t ring);
  // A submit of nothing.
  absl::StatusOr<Fd> SubmitFence(uint32_t ring);

  DrmFile& drm_;
  const size_t max_queues_;
  Counters& counters_;
  // Queue 0, the driver's own, is in here too: the first.
  std::vector<Queue> queues_;
  std::array<Fd, kRings> fences_;
  uint64_t unfenced_ = 0;  // Bit n: the last work on ring n has no fence.
  // By ring: the last work.
  struct Work {
    uint32_t queue_id;
    uint32_t fence;
  };
  std::array<Work, kRings> last_{};
  // By ring, of few: submitqueues of our own, for fences behind the guest's
  // work, whose fence numbers are not the guest's.
  struct FenceQueue {
    uint32_t id;
    uint32_t last_fence;
  };
  absl::flat_hash_map<uint32_t, FenceQueue> fence_queues_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_
