#include "devices/virtio_gpu/msm/submitqueues.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

// Where the driver puts its own queue 0: half the highest priority number,
// rounded up (msm_submitqueue_init).
uint32_t DefaultPriority(uint32_t priorities) { return priorities / 2; }

uint32_t RingOfPriority(uint32_t prio) { return prio + 1; }
uint32_t PriorityOfRing(uint32_t ring) { return ring - 1; }

}  // namespace

Submitqueues::Submitqueues(DrmFile& drm, uint32_t priorities, size_t max_queues,
                           Counters& counters)
    : drm_(drm), max_queues_(max_queues), counters_(counters) {
  queues_.push_back({0, RingOfPriority(std::min<uint32_t>(
                            DefaultPriority(priorities), kRings - 2))});
}

Submitqueues::~Submitqueues() {
  for (const Queue& queue : queues_) {
    if (queue.id == 0) continue;
    drm_.SubmitqueueClose(queue.id).IgnoreError();
    counters_.submitqueues.Subtract();
  }
  for (const auto& [ring, queue] : fence_queues_) {
    drm_.SubmitqueueClose(queue.id).IgnoreError();
  }
}

absl::StatusOr<uint32_t> Submitqueues::New(uint32_t flags, uint32_t prio) {
  if ((flags & ~MSM_SUBMITQUEUE_ALLOW_PREEMPT) != 0 || prio > kRings - 2) {
    return ErrnoStatus(EINVAL, absl::StrCat("SUBMITQUEUE_NEW of flags ", flags,
                                            ", priority ", prio));
  }
  if (queues_.size() > max_queues_) {
    return ErrnoStatus(
        ENOSPC, absl::StrCat("SUBMITQUEUE_NEW with ", max_queues_,
                             " queues in the context, the most there may be"));
  }
  ASSIGN_OR_RETURN(const uint32_t id, drm_.SubmitqueueNew(flags, prio));
  queues_.push_back({id, RingOfPriority(prio)});
  counters_.submitqueues.Add();
  return id;
}

absl::Status Submitqueues::Close(uint32_t id) {
  const Queue* const queue = Find(id);
  if (id == 0 || queue == nullptr) return NoQueue(id);
  RETURN_IF_ERROR(drm_.SubmitqueueClose(id));
  queues_.erase(queues_.begin() + (queue - queues_.data()));
  counters_.submitqueues.Subtract();
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Submitqueues::Query(uint32_t id, uint32_t param,
                                             std::span<uint8_t> out) {
  if (Find(id) == nullptr) return NoQueue(id);
  return drm_.SubmitqueueQuery(id, param, out);
}

absl::Status Submitqueues::WaitFence(uint32_t id, uint32_t fence,
                                     uint32_t flags) {
  if (Find(id) == nullptr) return NoQueue(id);
  return drm_.WaitFence(id, fence, flags);
}

absl::Status Submitqueues::MakeFenceBehind(uint32_t ring) {
  ASSIGN_OR_RETURN(Fd fence, SubmitFence(ring));
  SetFence(ring, std::move(fence));
  return absl::OkStatus();
}

absl::StatusOr<Fd> Submitqueues::FenceUnfinished(uint32_t ring) {
  // ENOENT for a queue that was closed, whose work may go on.
  const Work last = last_[ring];
  if (drm_.WaitFence(last.queue_id, last.fence, /*flags=*/0).ok()) return Fd();
  return SubmitFence(ring);
}

absl::StatusOr<Fd> Submitqueues::SubmitFence(uint32_t ring) {
  auto queue = fence_queues_.find(ring);
  if (queue == fence_queues_.end()) {
    ASSIGN_OR_RETURN(const uint32_t id,
                     drm_.SubmitqueueNew(/*flags=*/0, PriorityOfRing(ring)));
    queue = fence_queues_.emplace(ring, FenceQueue{id, 0}).first;
  }
  // From INT32_MAX on to 1, as the guest's.
  uint32_t& number = queue->second.last_fence;
  number = number == INT32_MAX ? 1 : number + 1;
  return drm_.GemSubmit({.flags = MSM_PIPE_3D0,
                         .queue_id = queue->second.id,
                         .fence = number,
                         .bos = {},
                         .cmds = {},
                         .fence_out = true});
}

absl::Status Submitqueues::NoQueue(uint32_t id) {
  return ErrnoStatus(ENOENT, absl::StrCat("submitqueue ", id));
}

}  // namespace nacre::msm
