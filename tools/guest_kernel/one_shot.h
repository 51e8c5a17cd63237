#ifndef NACRE_TOOLS_GUEST_KERNEL_ONE_SHOT_H_
#define NACRE_TOOLS_GUEST_KERNEL_ONE_SHOT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace nacre::guest_kernel {

// Something that happens once: a futex, so that neither side makes a system
// call where nobody waits. Thread-safe.
class OneShot {
 public:
  enum class Outcome { kAtOnce, kSlept, kTimedOut };
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  // What happened before Set is visible to who sees true.
  bool is_set() const { return state_.load(std::memory_order_acquire) == kSet; }

  // Wakes all who wait.
  void Set();

  // Sleeps until Set or, where there is one, until `deadline`. Signal handlers
  // run meanwhile and do not end it.
  Outcome Wait(Deadline deadline = std::nullopt);

 private:
  static constexpr uint32_t kUnset = 0;
  static constexpr uint32_t kAwaited = 1;
  static constexpr uint32_t kSet = 2;

  std::atomic<uint32_t> state_{kUnset};
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_ONE_SHOT_H_
