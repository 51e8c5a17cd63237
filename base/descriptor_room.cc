#include "base/descriptor_room.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/fd.h"

namespace nacre {

void MakeRoomForDescriptors() {
  constexpr rlim_t kPlaces = 4096;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  // A descriptor in the last place, for a moment.
  const Fd any(eventfd(0, EFD_CLOEXEC));
  const auto last = static_cast<int>(std::min(limit.rlim_cur, kPlaces) - 1);
  if (any.valid()) const Fd room(fcntl(any.get(), F_DUPFD_CLOEXEC, last));
}

}  // namespace nacre
