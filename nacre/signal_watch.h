#ifndef NACRE_NACRE_SIGNAL_WATCH_H_
#define NACRE_NACRE_SIGNAL_WATCH_H_

#include <signal.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "vmm/event_loop.h"

namespace nacre {

// Turns SIGINT and SIGTERM into EventLoop::Stop, so that a run ends in order.
// Made before other threads, which inherit that the signals are blocked.
// Destroyed on the thread that made it; from then on the signals act as before,
// those that come from then on.
class SignalWatch {
 public:
  // `loop` outlives the watch.
  static absl::StatusOr<std::unique_ptr<SignalWatch>> Create(
      vmm::EventLoop& loop);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  // Whether a signal has come: a Stop in the same turn of the loop as another
  // one is lost in it.
  bool signalled() const { return signalled_; }

 private:
  SignalWatch(vmm::EventLoop& loop, Fd fd, const sigset_t& old_mask)
      : loop_(loop), fd_(std::move(fd)), old_mask_(old_mask) {}

  void OnSignal();
  // The signals that have come, or they would end the process once they are no
  // longer blocked. Whether there were any.
  bool Take();

  vmm::EventLoop& loop_;
  const Fd fd_;
  const sigset_t old_mask_;
  bool signalled_ = false;
};

}  // namespace nacre

#endif  // NACRE_NACRE_SIGNAL_WATCH_H_
