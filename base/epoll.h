#ifndef NACRE_BASE_EPOLL_H_
#define NACRE_BASE_EPOLL_H_

#include <cstdint>

#include "absl/status/status.h"
#include "base/fd.h"

namespace nacre {

// Makes the epoll instance `epoll` report `events` of `fd` (EPOLLIN, EPOLLET,
// ...; epoll_ctl(2)), with `data` as data.u64; again, where it has been added
// before. Errors: the errno.
absl::Status AddToEpoll(const Fd& epoll, int fd, uint32_t events,
                        uint64_t data);

}  // namespace nacre

#endif  // NACRE_BASE_EPOLL_H_
