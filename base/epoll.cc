#include "base/epoll.h"

#include <sys/epoll.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre {

absl::Status AddToEpoll(const Fd& epoll, int fd, uint32_t events,
                        uint64_t data) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0) {
    return absl::OkStatus();
  }
  // Closing does not take a file out of epoll where somebody else has it open.
  if (errno == EEXIST &&
      epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(absl::StrCat("epoll_ctl(ADD, fd ", fd, ")"));
}

}  // namespace nacre
