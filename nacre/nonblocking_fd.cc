#include "nacre/nonblocking_fd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"

namespace nacre {
namespace {

// Other devices make something new of each open, as the master of a
// pseudoterminal does, which then is another one.
bool IsPipeOrTerminal(int fd, const struct stat& status) {
  if (S_ISFIFO(status.st_mode)) return true;
  int number = 0;
  return isatty(fd) != 0 && ioctl(fd, TIOCGPTN, &number) != 0;
}

}  // namespace

NonblockingFd::NonblockingFd(int fd, int access) : fd_(fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return;
  socket_ = S_ISSOCK(status.st_mode);
  if (!IsPipeOrTerminal(fd, status)) return;
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  own_ = Fd(open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                 /*mode=*/0));
}

bool NonblockingFd::Ready(short event) const {
  if (own_.valid()) return true;
  pollfd poll_fd = {fd_, event, 0};
  const int ready = poll(&poll_fd, 1, /*timeout=*/0);
  if (ready == 0) errno = EAGAIN;
  return ready > 0;
}

ssize_t NonblockingFd::Read(std::span<uint8_t> bytes) const {
  if (socket_) return recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (!Ready(POLLIN)) return -1;
  return read(get(), bytes.data(), bytes.size());
}

ssize_t NonblockingFd::Write(absl::string_view text) const {
  if (socket_) {
    return send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (!Ready(POLLOUT)) return -1;
  // It is what a pipe that poll calls ready has room for.
  const size_t size =
      own_.valid() ? text.size() : std::min<size_t>(text.size(), PIPE_BUF);
  return write(get(), text.data(), size);
}

}  // namespace nacre
