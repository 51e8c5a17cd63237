#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_UNFINISHED_WORK_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_UNFINISHED_WORK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/limits.h"

namespace nacre::msm {

// What submissions that the GPU has not finished take of the host's memory:
// nothing else bounds them, as a driver queues as many as it is given, behind
// one that a guest lets wait.
//
// A submission is to cost an ioctl and nothing else, so nobody watches each.
// Instead a ring (the submitqueues of one priority, whose work is done in
// order) gets bytes in advance, of which its submissions take theirs. Where
// they are used up, a fence behind them is asked for: a checkpoint, a
// descriptor, which nobody waits for; it is looked at when more is needed. A
// ring keeps two: the oldest, which is the next to signal, and the newest,
// which stands for those between. So work that is done may count for as long
// again as it took.
//
// What idle rings hold is of the first half of the limit of all contexts.
// Attack stopped: contexts that take an advance and do nothing more, until none
// is left for others. In the second half each submission has a checkpoint of
// its own at once; and so has one that is larger than an advance, or it would
// count until its ring is used again.
//
// So a guest that never has half of a limit unfinished, less two advances for
// each ring, does not meet it, however much it submits. Descriptors: two for
// each ring with work that waits, which holds an advance; 8192 of a GiB.

// Of all contexts of a device. Thread-safe.
class UnfinishedWork {
 public:
  // What a ring gets in advance, bytes: a few hundred small submissions. Each
  // ring that was ever used holds up to two, until its context ends: this, and
  // what was used of the one before since the last checkpoint.
  static constexpr uint32_t kAdvance = 256 << 10;

  // What a submission takes in the driver, by the size of its GEM_SUBMIT ccmd:
  // more than Linux 6.12 allocates, with its fences (no memory cgroup counts
  // that), for an entry of 16 or 32 bytes 24 or 40.
  static constexpr uint32_t BytesOf(uint32_t ccmd_bytes) {
    return 1024 + 2 * ccmd_bytes;
  }

  // What is held is in counters.unfinished_bytes. Both outlive this.
  UnfinishedWork(const Limits& limits, Counters& counters)
      : limits_(limits), counters_(counters) {}
  UnfinishedWork(const UnfinishedWork&) = delete;
  UnfinishedWork& operator=(const UnfinishedWork&) = delete;

  // Gives back some of what is finished. To be called now and then.
  void Sweep() ABSL_LOCKS_EXCLUDED(mutex_);
  // All of it.
  void SweepAll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class ContextWork;

  struct Checkpoint {
    Fd fence;  // Invalid: none.
    uint64_t bytes = 0;
  };
  struct Ring {
    uint32_t index;
    Checkpoint oldest;
    Checkpoint newest;
    uint64_t advance = 0;  // Held until both have signalled.
  };
  // A context's, under mutex_.
  struct Share {
    uint64_t bytes = 0;
    std::vector<Ring> rings;  // Few.
    bool listed = false;
    // Attack stopped: the time of submissions that are refused, of which there
    // may be 100,000 in a SUBMIT_3D. The first takes a millisecond where all of
    // a GiB is held; that a guest goes on behind it nobody expects. Not set
    // by a look that found room, and as much as few may have ended with.
    bool has_looked_at_all = false;
  };

  // Enough that those who come and go leave nothing behind.
  static constexpr size_t kPerSweep = 8;

  struct Taken {
    uint64_t bytes = 0;       // At least what was asked for, or none.
    bool may_be_kept = true;  // By a ring that is idle.
  };
  Taken Take(Share& share, uint32_t ring, uint64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBack(Share& share, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // `bytes` of what was taken are for work that is done with `fence`, and so is
  // `advance`.
  void AddCheckpoint(const std::shared_ptr<Share>& share, uint32_t ring,
                     Fd fence, uint64_t bytes, uint64_t advance)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The ring's, made where there is none.
  static Ring& Find(Share& share, uint32_t ring);
  bool FitsContext(const Share& share, uint64_t bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of the first `most` of all contexts' bytes.
  bool Reserve(Share& share, uint64_t bytes, uint64_t most)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(Share& share, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether checkpoints are left that have not signalled.
  bool ReleaseFinished(Share& share) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks at as many contexts.
  void Sweep(size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits& limits_;
  Counters& counters_;
  Mutex mutex_;
  // Those with checkpoints, also of contexts that have ended.
  std::deque<std::shared_ptr<Share>> shares_ ABSL_GUARDED_BY(mutex_);
};

// Of one context. Used by one thread at a time.
class ContextWork {
 public:
  static constexpr size_t kRings = 64;
  // Makes a fence that signals when all work on the ring so far is done, an
  // invalid one if it is.
  using MakeFence = absl::FunctionRef<absl::StatusOr<Fd>(uint32_t ring)>;

  // `all` outlives this.
  explicit ContextWork(UnfinishedWork& all);
  ~ContextWork();
  ContextWork(const ContextWork&) = delete;
  ContextWork& operator=(const ContextWork&) = delete;

  // For a submission that is to be made. False where the ring has not as much
  // in advance: then TakeMore.
  bool Take(uint32_t ring, uint32_t bytes) {
    const uint32_t advance = advance_[ring];
    if (ABSL_PREDICT_FALSE(advance < bytes)) return false;
    advance_[ring] = advance - bytes;
    return true;
  }
  // Calls `make_fence` where work is on the ring that no checkpoint covers.
  // ENOMEM beyond a limit; then all of the ring's work is behind a checkpoint.
  // True: AddCheckpoint is to be called once the submission is made. It is,
  // too, once it was not made and was given back.
  absl::StatusOr<bool> TakeMore(uint32_t ring, uint32_t bytes,
                                MakeFence make_fence);
  // Behind the ring's work, with what is left in advance, which pays for the
  // descriptor. Where none can be made the advance is given back, and the work
  // is for the next one.
  void AddCheckpoint(uint32_t ring, MakeFence make_fence);
  // The submission was not made after all.
  void GiveBack(uint32_t ring, uint32_t bytes);
  // No submissions will follow. What is unfinished goes on to count. Where a
  // fence cannot be made, also when those that are finished are closed, the
  // driver is taken to be lost, and its work with it.
  void End(MakeFence make_fence);

 private:
  bool HasCheckpointDue(uint32_t ring) const {
    return taken_[ring] != advance_[ring];
  }
  // What is more than `rest`.
  void GiveBackAdvance(uint32_t ring, uint32_t rest);
  // With as much of what the ring has in advance.
  void AddCheckpoint(uint32_t ring, MakeFence make_fence, uint32_t advance);

  std::array<uint32_t, kRings> advance_{};
  // That and what was added since the last checkpoint.
  std::array<uint64_t, kRings> taken_{};
  UnfinishedWork& all_;
  const std::shared_ptr<UnfinishedWork::Share> share_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_UNFINISHED_WORK_H_
