#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_

#include <array>
#include <cstddef>
#include <cstdint>

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
class Submitqueues {
 public:
  static constexpr size_t kRings = 64;  // ring_idx of virtio-gpu: 0..63.
  // Attack stopped: kernel memory for queues. Programs have a handful.
  static constexpr size_t kMaxQueues = 256;

  // `priorities` is the capset's.
  Submitqueues(DrmFile& drm, uint32_t priorities, Counters& counters);
  // Closes the queues; work in them goes on.
  ~Submitqueues();
  Submitqueues(const Submitqueues&) = delete;
  Submitqueues& operator=(const Submitqueues&) = delete;

  // Returns the new queue's id. EINVAL for flags or a priority that we do not
  // pass on, ENOSPC at kMaxQueues, or what the driver says.
  absl::StatusOr<uint32_t> New(uint32_t flags, uint32_t prio);
  absl::Status Close(uint32_t id);

  // ENOENT for an unknown queue.
  absl::StatusOr<uint8_t> RingOf(uint32_t id) const;

  // The work on the ring is done when `fence` is readable.
  void SetFence(uint8_t ring, Fd fence) { fences_[ring] = std::move(fence); }
  // The fence since the last call, or an invalid one.
  Fd TakeFence(uint8_t ring) { return std::move(fences_[ring]); }

 private:
  DrmFile& drm_;
  Counters& counters_;
  // Queue 0, the driver's own, is in here too.
  absl::flat_hash_map<uint32_t, uint8_t> rings_;
  std::array<Fd, kRings> fences_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMITQUEUES_H_
