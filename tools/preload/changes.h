#ifndef NACRE_TOOLS_PRELOAD_CHANGES_H_
#define NACRE_TOOLS_PRELOAD_CHANGES_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "base/mutex.h"

namespace nacre::preload {

// Where those wait that wait for the GPU or for a syncobj. Each looks for
// itself whether it was its own that changed; whom a change cannot concern
// sleeps on. Thread-safe.
class Changes {
 public:
  using Deadline = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC.

  // To be called after the change.
  void Announce();

  // Asked by whoever announces a change, and under a lock: it must take none
  // itself. It is right to say yes too often.
  using Concerned = absl::FunctionRef<bool()>;

  // Repeats `done` after each change that concerns it until it returns true;
  // returns false when the deadline passed first. Always tries once.
  template <typename Done>
  bool WaitUntil(Deadline deadline, Done done, Concerned concerned = Always) {
    for (;;) {
      const uint64_t seen = count();
      if (done()) return true;
      if (!WaitPast(seen, deadline, concerned)) return done();
    }
  }

 private:
  struct Waiter {
    Concerned concerned;
    bool woken = false;
    CondVar wake = {};
  };

  static bool Always() { return true; }
  uint64_t count() const { return count_.load(std::memory_order_acquire); }
  bool WaitPast(uint64_t seen, Deadline deadline, Concerned concerned);

  mutable Mutex mutex_;
  std::vector<Waiter*> waiters_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> count_{0};  // Rises under the mutex.
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_CHANGES_H_
