#ifndef NACRE_TOOLS_GUEST_KERNEL_FENCE_H_
#define NACRE_TOOLS_GUEST_KERNEL_FENCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "tools/guest_kernel/counters.h"
#include "tools/guest_kernel/one_shot.h"

namespace nacre::guest_kernel {

// A fence of the guest's kernel (Linux's dma_fence, virtgpu_fence.c): one
// number on one timeline, signalled once and for good when the device returns
// the command that carries it. Thread-safe. Held by shared_ptr; one that nobody
// holds is signalled all the same.
class Fence {
 public:
  using Callback = std::function<void()>;

  // For the driver. `counters` outlives the fence.
  Fence(uint64_t context, DriverCounters* counters)
      : context_(context), counters_(counters) {}
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

  // The timeline (Linux's dma-fence context): the device's global one, or a
  // ring's of one open file. Fences of one timeline signal in the order of
  // their numbers.
  uint64_t context() const { return context_; }
  // The fence_id, from one counter for the whole device.
  uint64_t seqno() const { return seqno_; }

  // Everything that the device wrote before is visible to who sees true.
  bool signalled() const { return signalled_.load(std::memory_order_acquire); }

  // Sleeps until the fence is signalled and its callbacks have run or, where
  // there is one, until `deadline`. Returns whether it is signalled.
  bool Wait(OneShot::Deadline deadline = std::nullopt);

  // Calls `callback` once, as soon as the fence is signalled: at once and on
  // this thread where it already is, else on the interrupt thread, in the order
  // of registration. It must not block, and submits nothing; it may drop
  // references to fences and blobs.
  void OnSignal(Callback callback);

  // For the driver, once, without locks held.
  void Signal();

 private:
  friend class PendingFences;

  const uint64_t context_;
  DriverCounters* const counters_;
  uint64_t seqno_ = 0;  // Set as the command is queued.
  std::atomic<bool> signalled_{false};
  // Who has waited finds done what callbacks do: a sync_file is readable.
  OneShot settled_;
  Mutex mutex_;
  std::vector<Callback> callbacks_ ABSL_GUARDED_BY(mutex_);

  // While pending: PendingFences' list and its share in this.
  Fence* next_ = nullptr;
  Fence* previous_ = nullptr;
  std::shared_ptr<Fence> self_;
};

// The fences that the device has not returned yet (virtgpu_fence.c's list), in
// the order of their numbers, of all timelines. No lock: one caller at a time.
class PendingFences {
 public:
  PendingFences() = default;
  PendingFences(const PendingFences&) = delete;
  PendingFences& operator=(const PendingFences&) = delete;
  ~PendingFences();

  // Gives the fence its number, 1 being the first.
  uint64_t Emit(std::shared_ptr<Fence> fence);

  // The device has returned a command with `seqno`: where a fence with exactly
  // this number is pending, moves it to the end of `done`, behind all earlier
  // ones of its timeline. They are to be signalled.
  void Complete(uint64_t seqno, std::vector<std::shared_ptr<Fence>>& done);

 private:
  void Unlink(Fence& fence);

  uint64_t last_seqno_ = 0;
  Fence* first_ = nullptr;
  Fence* last_ = nullptr;
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_FENCE_H_
