#include "tools/guest_kernel/one_shot.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace nacre::guest_kernel {
namespace {

// Returns false when the deadline has passed.
bool FutexWait(std::atomic<uint32_t>& word, uint32_t value,
               const timespec* deadline) {
  const long result = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE,
                              value, deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
  return result == 0 || errno != ETIMEDOUT;
}

}  // namespace

void OneShot::Set() {
  if (state_.exchange(kSet, std::memory_order_acq_rel) == kAwaited) {
    syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, INT_MAX);
  }
}

OneShot::Outcome OneShot::Wait(Deadline deadline) {
  if (is_set()) return Outcome::kAtOnce;
  // steady_clock is CLOCK_MONOTONIC, by which FUTEX_WAIT_BITSET reckons.
  timespec until{};
  if (deadline) {
    const auto nanoseconds =
        std::chrono::duration_cast<std::chrono::nanoseconds>(
            deadline->time_since_epoch())
            .count();
    if (nanoseconds <= 0) return Outcome::kTimedOut;
    until.tv_sec = nanoseconds / 1'000'000'000;
    until.tv_nsec = nanoseconds % 1'000'000'000;
  }
  uint32_t state = kUnset;
  state_.compare_exchange_strong(state, kAwaited, std::memory_order_acq_rel);
  if (state == kSet) return Outcome::kAtOnce;
  while (!is_set()) {
    if (!FutexWait(state_, kAwaited, deadline ? &until : nullptr)) {
      return is_set() ? Outcome::kSlept : Outcome::kTimedOut;
    }
  }
  return Outcome::kSlept;
}

}  // namespace nacre::guest_kernel
