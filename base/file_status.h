#ifndef NACRE_BASE_FILE_STATUS_H_
#define NACRE_BASE_FILE_STATUS_H_

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace nacre {

// fstat(2), for code that runs in the jail, by the system call of this name.
// glibc up to 2.38 makes newfstatat(2) of it where the architecture has both,
// which can look up any path: the jail's filter refuses that one.
inline int FileStatus(int fd, struct stat* status) {
  return static_cast<int>(syscall(SYS_fstat, fd, status));
}

}  // namespace nacre

#endif  // NACRE_BASE_FILE_STATUS_H_
