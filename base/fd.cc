#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/errno_status.h"

namespace nacre {

void Fd::Reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old >= 0) close(old);
}

absl::StatusOr<Fd> Fd::Duplicate() const {
  const int copy = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC)");
  return Fd(copy);
}

}  // namespace nacre
