#ifndef NACRE_SIMULATOR_FENCE_H_
#define NACRE_SIMULATOR_FENCE_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"

namespace nacre::simulator {

// The completion of one submission (a kernel dma_fence). Signals once; never
// with an error, as the msm driver's do not (abi C.9).
class Fence {
 public:
  // `context` numbers the FIFO that the submission is in: of two fences of one
  // context the later implies the earlier.
  explicit Fence(uint64_t context) : context_(context) {}

  uint64_t context() const { return context_; }

  // Whether the submission is done; its memory writes are visible to whoever
  // read true. From any thread.
  bool signalled() const { return signalled_.load(std::memory_order_acquire); }

  // A descriptor that polls readable once the fence has signalled, and stays
  // so. Only before the fence is given to the scheduler. Fences that nobody
  // polls have none.
  absl::StatusOr<Fd> Pollable();

  // By the GPU thread, once: MarkSignalled, then what must be over before
  // anybody polling can wake, then WakePollers, which closes our descriptor.
  void MarkSignalled() { signalled_.store(true, std::memory_order_release); }
  void WakePollers();

 private:
  const uint64_t context_;
  std::atomic<bool> signalled_{false};
  std::optional<EventFd> event_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_FENCE_H_
