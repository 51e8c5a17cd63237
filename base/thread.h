#ifndef NACRE_BASE_THREAD_H_
#define NACRE_BASE_THREAD_H_

#include <pthread.h>

#include <chrono>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"

namespace nacre {

// For messages: what may be at its end where the host makes no thread or no
// process and says so by `error`; empty for others than EAGAIN, which names
// nothing by itself.
const char* ThreadLimits(int error);

// Owns a thread: std::thread, but for a host that has none left. That is an
// error here, where std::thread throws, which ends a program that catches
// nothing. To be joined before it is destroyed or replaced.
class Thread {
 public:
  // Runs `run` on a thread that the kernel lists as `name`, a literal of at
  // most 15 characters. Errors: ResourceExhausted, whatever it is that is used
  // up: threads of this user, of the cgroup or of the machine, or memory for
  // one.
  static absl::StatusOr<Thread> Start(const char* name,
                                      std::function<void()> run);
  Thread() = default;
  Thread(Thread&& other) noexcept
      : thread_(other.thread_),
        joinable_(std::exchange(other.joinable_, false)) {}
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();

  bool joinable() const { return joinable_; }
  // Waits for its end. Once.
  void Join();
  // The same, but waits for `time` or so at most. Whether it is joined.
  bool JoinWithin(std::chrono::milliseconds time);
  // Sends it a signal, a standard one: the kernel may refuse to queue others.
  // Before it is joined; it may be at its end.
  void Signal(int signal) const;

 private:
  explicit Thread(pthread_t thread) : thread_(thread), joinable_(true) {}

  pthread_t thread_ = {};
  bool joinable_ = false;
};

}  // namespace nacre

#endif  // NACRE_BASE_THREAD_H_
