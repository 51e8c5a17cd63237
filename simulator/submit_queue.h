#ifndef NACRE_SIMULATOR_SUBMIT_QUEUE_H_
#define NACRE_SIMULATOR_SUBMIT_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "simulator/fence.h"

namespace nacre::simulator {

// A submitqueue of one file: a priority, and the numbers of the fences in
// flight (msm_submitqueue.c, msm_gem_submit.c). Outlives its closing while
// submissions are in flight. Thread-safe.
class SubmitQueue {
 public:
  explicit SubmitQueue(uint32_t prio) : prio_(prio) {}

  uint32_t prio() const { return prio_; }

  // Puts a submission in flight under the number that userspace chose. EINVAL
  // for 0 and for a number that is in flight.
  absl::Status Arm(uint32_t number, std::shared_ptr<Fence> fence);
  // The same under a number of our choice, the one after the last chosen that
  // is free (the kernel's cyclic allocator: 1..INT32_MAX).
  uint32_t ArmNext(std::shared_ptr<Fence> fence);
  // The number may be used again.
  void Retire(uint32_t number);

  // WAIT_FENCE without waiting: 0 when signalled or no longer (or never) in
  // flight; EINVAL for a number after the last one armed; ETIMEDOUT.
  absl::Status Wait(uint32_t number) const;

  void AddFault() { faults_.fetch_add(1, std::memory_order_relaxed); }
  uint32_t faults() const { return faults_.load(std::memory_order_relaxed); }

 private:
  const uint32_t prio_;
  std::atomic<uint32_t> faults_{0};

  mutable Mutex mutex_;
  uint32_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t next_choice_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint32_t, std::shared_ptr<Fence>> in_flight_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SUBMIT_QUEUE_H_
