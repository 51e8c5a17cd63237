#include "simulator/fence.h"

#include <fcntl.h>

#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre::simulator {

absl::StatusOr<Fd> Fence::Pollable() {
  if (!event_) {
    ASSIGN_OR_RETURN(event_, EventFd::Create());
  }
  const int fd = fcntl(event_->fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC, fence)");
  return Fd(fd);
}

void Fence::WakePollers() {
  if (!event_) return;
  event_->Signal();
  event_.reset();
}

}  // namespace nacre::simulator
