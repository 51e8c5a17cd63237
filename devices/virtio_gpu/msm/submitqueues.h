#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/drm_device.h"

namespace nacre::msm {

// A context's submitqueues, and per virtio-gpu ring the fence of the last
// submit. Queues of priority p run on ring p + 1 (the msm driver keeps all
// queues of one file and priority in one order); ring 0 is the CPU's.
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
  absl::StatusOr<uint8_t> RingOf(uint32_t id) const {
    const Queue* const queue = Find(id);
    if (ABSL_PREDICT_FALSE(queue == nullptr)) return NoQueue(id);
    return queue->ring;
  }

  // The work on the ring is done when `fence` is readable.
  void SetFence(uint8_t ring, Fd fence) { fences_[ring] = std::move(fence); }
  // The fence since the last call, or an invalid one.
  Fd TakeFence(uint8_t ring) { return std::move(fences_[ring]); }

 private:
  struct Queue {
    uint32_t id;
    uint8_t ring;
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

  DrmFile& drm_;
  const size_t max_queues_;
  Counters& counters_;
  // Queue 0, the driver's own, is in here too: the first.
  std::vector<Queue> queues_;
  std::array<Fd, kRings> fences_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_
