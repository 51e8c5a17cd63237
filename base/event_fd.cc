#include "base/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre {

absl::StatusOr<EventFd> EventFd::Create() {
  Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus("eventfd");
  return EventFd(std::move(fd));
}

void EventFd::Signal() const {
  const uint64_t one = 1;
  // Fails only where the counter is full, and then it is signalled already.
  [[maybe_unused]] const ssize_t written = write(fd_.get(), &one, sizeof(one));
}

uint64_t EventFd::Clear() const {
  uint64_t count = 0;
  return read(fd_.get(), &count, sizeof(count)) == sizeof(count) ? count : 0;
}

absl::StatusOr<EventFd> EventFd::Duplicate() const {
  ASSIGN_OR_RETURN(Fd fd, fd_.Duplicate());
  return EventFd(std::move(fd));
}

}  // namespace nacre
