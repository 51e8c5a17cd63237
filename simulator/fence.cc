#include "simulator/fence.h"

#include <fcntl.h>

#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre::simulator {

absl::StatusOr<std::shared_ptr<Fence>> Fence::Create(uint64_t context) {
  ASSIGN_OR_RETURN(EventFd event, EventFd::Create());
  return std::shared_ptr<Fence>(new Fence(context, std::move(event)));
}

absl::StatusOr<Fd> Fence::Pollable() const {
  const int fd = fcntl(event_.fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC, fence)");
  return Fd(fd);
}

void Fence::WakePollers() {
  const EventFd event = std::move(event_);
  event.Signal();
}

}  // namespace nacre::simulator
