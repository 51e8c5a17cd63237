#ifndef NACRE_DEVICES_VIRTIO_GPU_RINGS_H_
#define NACRE_DEVICES_VIRTIO_GPU_RINGS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/log_limiter.h"
#include "base/mutex.h"
#include "base/quota.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/fence_reactor.h"
#include "devices/virtio_gpu/fence_timelines.h"
#include "devices/virtio_gpu/stats.h"

namespace nacre::virtio_gpu {

// A request of the driver's, and once it is executed, its answer in its chain,
// what is to happen before the driver gets it back.
struct RingRequest {
  virtio::DescriptorChain chain;
  // Behind the earlier ones of this timeline; nullopt: at once.
  std::optional<TimelineId> timeline;
  // When this is readable, where it is valid; needs a timeline...
  Fd fence;
  Quota::Share fence_share;  // Of Limits::max_pending_fences.
  // ... and this, if any, is told first.
  std::shared_ptr<FenceObserver> observer;
  // From HoldPlace of this timeline, for one that later ones overtook.
  std::optional<uint64_t> place;
};

// Requests of one queue that are with the device: those that it took and has
// yet to execute, and those that go back at once, which the driver has yet to
// hear of. Belongs to who executes them. All are gone before the end.
class RingBatch {
 public:
  static constexpr size_t kSize = 16;

  // What is to be executed.
  bool empty() const { return next_ == taken_; }
  size_t size() const { return taken_ - next_; }
  // The next one to execute, in the driver's order.
  virtio::DescriptorChain Next() { return std::move(to_do_[next_++]); }

  bool full() const { return done_ == kSize; }
  // Executed and answered. Not if full().
  void Add(virtio::DescriptorChain chain) {
    executed_[done_++] = std::move(chain);
  }

  // Without an answer.
  void Abandon();

 private:
  friend class Rings;
  std::array<virtio::DescriptorChain, kSize> to_do_;     // [next_, taken_).
  std::array<virtio::DescriptorChain, kSize> executed_;  // [0, done_).
  size_t next_ = 0;
  size_t taken_ = 0;
  size_t done_ = 0;
};

// The device's virtqueues, and the order in which requests go back to the
// driver. One lock for all of it, taken once for a batch of requests and once
// for each that has to wait; system calls are made without it. Thread-safe:
// whoever executes requests takes and answers them, the fence reactor completes
// those that had to wait.
//
// A ring that the driver broke ends all work: DEVICE_NEEDS_RESET.
class Rings {
 public:
  // All that is pointed to outlives the result. Queues count as they come in
  // `queues`; fences are for the first one.
  static absl::StatusOr<std::unique_ptr<Rings>> Create(
      std::vector<virtio::ActiveQueue>& queues,
      virtio::DriverNotifier* notifier, Stats* stats, LogLimiter* log_limiter);
  // Pending fences are abandoned, not answered. Waits for none.
  ~Rings();
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;

  // Gives back what is executed of the batch, which is empty(), and takes what
  // is next in `queue`. Where that is nothing, the driver is told as by
  // GiveBack.
  void Exchange(size_t queue, RingBatch& batch) {
    Serve(queue, batch, /*take=*/true);
  }
  // Gives back what is executed, and tells the driver what it asked to be told
  // of all that was given back so far.
  void GiveBack(size_t queue, RingBatch& batch) {
    Serve(queue, batch, /*take=*/false);
  }
  // Gives back what is executed, and behind it `request`, which has a timeline,
  // in the order of that. Leaves an empty one behind.
  void GiveBackInOrder(size_t queue, RingBatch& batch, RingRequest& request);

  // Keeps the next place in a timeline for a request that is to be given back
  // later than others that came after it.
  uint64_t HoldPlace(const TimelineId& timeline);

  // Before sleeping, until EndSleep: the driver kicks. False where requests
  // came meanwhile: there is something to do first.
  bool PrepareToSleep();
  void EndSleep();

 private:
  struct Ring {
    uint16_t index;  // The driver's.
    virtio::Virtqueue queue;
  };
  struct Fenced {
    std::optional<virtio::DescriptorChain> chain;  // None: a place only.
    Fd fence;
    Quota::Share fence_share;
    std::shared_ptr<FenceObserver> observer;
  };
  // Those of a batch, without the heap.
  using Fds = absl::InlinedVector<Fd, FenceReactor::kMaxBatch>;
  // What to tell the driver, once without the lock.
  struct News {
    bool interrupt = false;
    bool needs_reset = false;
  };

  Rings(std::vector<virtio::ActiveQueue>& queues,
        virtio::DriverNotifier* notifier, Stats* stats,
        LogLimiter* log_limiter);

  void Serve(size_t queue, RingBatch& batch, bool take)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnFencesSignalled(std::span<const uint64_t> tokens);
  void TellObservers(std::span<const uint64_t> tokens)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Signals a fence and adds what is complete by it to the used ones; its fds
  // are for the caller to close.
  void Signal(Ring& ring, uint64_t token, Fds& spent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The driver does not see them before PublishUsed.
  void AddUsed(Ring& ring, virtio::DescriptorChain chain)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddUsed(Ring& ring, RingBatch& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A token where the fence is to be watched.
  std::optional<uint64_t> Order(Ring& ring, RingRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(Ring& ring, RingBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  News NewsFor(Ring& ring) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(const News& news, uint16_t index) ABSL_LOCKS_EXCLUDED(mutex_);
  void Break(uint16_t index, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  virtio::DriverNotifier* const notifier_;
  Stats* const stats_;
  LogLimiter* const log_limiter_;

  Mutex mutex_;
  std::vector<Ring> rings_ ABSL_GUARDED_BY(mutex_);
  // Chains of the first ring.
  FenceTimelines<Fenced> timelines_ ABSL_GUARDED_BY(mutex_);
  // The driver broke a ring, and whether it has been told.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_reported_ ABSL_GUARDED_BY(mutex_) = false;

  std::unique_ptr<FenceReactor> reactor_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_RINGS_H_
