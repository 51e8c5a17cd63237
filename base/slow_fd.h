#ifndef NACRE_BASE_SLOW_FD_H_
#define NACRE_BASE_SLOW_FD_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "base/fd.h"

namespace nacre {

// The last close of some files waits, without end and whatever signals come: a
// DRM driver's, from Linux 6.17 on, for the GPU. Whoever gets files from a
// process that is not trusted, or that may end at any time, may hold the last
// descriptor or mapping of one, or a socket in which one is under way. So a
// process that gets such files has a thread that nobody waits for let go of
// them. Only the end of the process waits for it.

// Starts that thread, if it does not run: for the whole process, until its end.
// Errors: ResourceExhausted where the host has no thread. Any thread.
absl::Status StartSlowCloser();

// Closes it on that thread; here where none was started, or where it is a
// regular file (a memfd), which does not wait. Any thread.
void CloseElsewhere(Fd file);

// How many wait for that thread. Any thread.
size_t PendingSlowCloses();

// An Fd that ends by CloseElsewhere.
class SlowFd {
 public:
  SlowFd() = default;
  explicit SlowFd(Fd fd) : fd_(std::move(fd)) {}
  SlowFd(SlowFd&&) noexcept = default;
  SlowFd& operator=(SlowFd&& other) noexcept {
    CloseElsewhere(std::exchange(fd_, std::move(other.fd_)));
    return *this;
  }
  ~SlowFd() { CloseElsewhere(std::move(fd_)); }

  bool valid() const { return fd_.valid(); }
  int get() const { return fd_.get(); }
  // For a file whose close does not wait.
  Fd Take() { return std::move(fd_); }

 private:
  Fd fd_;
};

}  // namespace nacre

#endif  // NACRE_BASE_SLOW_FD_H_
