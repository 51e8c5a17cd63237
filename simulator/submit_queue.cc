#include "simulator/submit_queue.h"

#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre::simulator {

absl::Status SubmitQueue::Arm(uint32_t number, std::shared_ptr<Fence> fence) {
  MutexLock lock(mutex_);
  if (number == 0 || !in_flight_.emplace(number, std::move(fence)).second) {
    return ErrnoStatus(EINVAL, absl::StrCat("fence number ", number,
                                            ", 0 or already in flight"));
  }
  last_number_ = number;
  return absl::OkStatus();
}

uint32_t SubmitQueue::ArmNext(std::shared_ptr<Fence> fence) {
  constexpr uint32_t kLast = std::numeric_limits<int32_t>::max();
  MutexLock lock(mutex_);
  // Fewer are in flight than there are numbers: this ends.
  for (;;) {
    const uint32_t number = next_choice_;
    next_choice_ = number == kLast ? 1 : number + 1;
    if (!in_flight_.emplace(number, fence).second) continue;
    last_number_ = number;
    return number;
  }
}

void SubmitQueue::Retire(uint32_t number) {
  MutexLock lock(mutex_);
  in_flight_.erase(number);
}

absl::Status SubmitQueue::Wait(uint32_t number) const {
  MutexLock lock(mutex_);
  // Numbers wrap: "after" is a signed difference.
  if (static_cast<int32_t>(number - last_number_) > 0) {
    return ErrnoStatus(
        EINVAL,
        absl::StrCat("fence number ", number,
                     " was not submitted yet, the last was ", last_number_));
  }
  const auto entry = in_flight_.find(number);
  if (entry == in_flight_.end() || entry->second->signalled()) {
    return absl::OkStatus();
  }
  return ErrnoStatus(ETIMEDOUT, "WAIT_FENCE");
}

}  // namespace nacre::simulator
