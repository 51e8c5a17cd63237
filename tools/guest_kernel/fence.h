#ifndef NACRE_TOOLS_GUEST_KERNEL_FENCE_H_
#define NACRE_TOOLS_GUEST_KERNEL_FENCE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "tools/guest_kernel/counters.h"

namespace nacre::guest_kernel {

// A fence of the guest's kernel (Linux's dma_fence, virtgpu_fence.c): one
// number on one timeline, signalled once and for good when the device returns
// the command that carries it. Thread-safe. Held by shared_ptr; one that nobody
// holds is signalled all the same.
class Fence {
 public:
  using Callback = std::function<void()>;

  // Made by the driver, before the device can know of it.
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

  // Everything that the device wrote before it is visible to who sees true.
  bool signalled() const {
    return state_.load(std::memory_order_acquire) == kSignalled;
  }

  // Sleeps until the fence is signalled, or until `deadline` where there is
  // one. Returns whether it is signalled. Signal handlers run meanwhile and do
  // not end it.
  bool Wait(std::optional<std::chrono::steady_clock::time_point> deadline =
                std::nullopt);

  // Calls `callback` once, as soon as the fence is signalled: at once and on
  // this thread where it already is, else on the interrupt thread, in the order
  // of registration. It must not block and must not queue commands; it may
  // drop references to fences and blobs.
  void OnSignal(Callback callback);

 private:
  friend class VirtioGpuDriver;
  friend class FenceTimeline;

  static constexpr uint32_t kPending = 0;
  static constexpr uint32_t kPendingWithWaiters = 1;
  static constexpr uint32_t kSignalled = 2;

  // Without locks held.
  void Signal();

  const uint64_t context_;
  DriverCounters* const counters_;  // The driver's, which outlives its fences.
  uint64_t seqno_ = 0;              // Set as the command is queued.
  std::atomic<uint32_t> state_{kPending};  // A futex.
  Mutex mutex_;
  std::vector<Callback> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_FENCE_H_
