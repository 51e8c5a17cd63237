#ifndef NACRE_BASE_EVENT_FD_H_
#define NACRE_BASE_EVENT_FD_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"

namespace nacre {

// A Linux eventfd (eventfd(2)): non-blocking, close-on-exec, counting. What
// KVM calls an ioeventfd or an irqfd is one of these. Thread-safe.
class EventFd {
 public:
  static absl::StatusOr<EventFd> Create();
  // One that another process made.
  explicit EventFd(Fd fd) : fd_(std::move(fd)) {}

  // Adds one to the counter, waking whoever polls it.
  void Signal() const;
  // Reads and clears the counter; 0 where nothing was signalled since.
  uint64_t Clear() const;

  int fd() const { return fd_.get(); }
  // Another owner of the same counter.
  absl::StatusOr<EventFd> Duplicate() const;

 private:
  Fd fd_;
};

}  // namespace nacre

#endif  // NACRE_BASE_EVENT_FD_H_
