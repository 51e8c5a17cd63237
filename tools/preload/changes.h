#ifndef NACRE_TOOLS_PRELOAD_CHANGES_H_
#define NACRE_TOOLS_PRELOAD_CHANGES_H_

#include <chrono>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace nacre::preload {

// Wakes whoever waits for the GPU or for a syncobj: they all wait here, and
// look for themselves whether it was theirs that changed. A process has few
// such threads, so that one condition for all is cheaper than one for each.
// Thread-safe.
class Changes {
 public:
  using Deadline = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC.

  // To be called after the change.
  void Announce();

  // Repeats `done` after each change until it returns true; returns false when
  // the deadline passed first. Always tries once.
  template <typename Done>
  bool WaitUntil(Deadline deadline, Done done) {
    for (;;) {
      const uint64_t seen = count();
      if (done()) return true;
      if (!WaitPast(seen, deadline)) return done();
    }
  }

 private:
  uint64_t count() const;
  bool WaitPast(uint64_t seen, Deadline deadline);

  mutable Mutex mutex_;
  CondVar changed_;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_CHANGES_H_
