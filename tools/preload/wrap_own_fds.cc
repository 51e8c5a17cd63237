#include <fcntl.h>

#include <cstdarg>

#include "tools/preload/own_fds.h"

// What makes descriptors for the library itself: the linker turns the calls of
// these functions that are in the library to here (--wrap, BUILD.bazel), and
// leaves alone those of the program.

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's.
extern "C" {

int __real_eventfd(unsigned count, int flags);
int __real_epoll_create1(int flags);
int __real_memfd_create(const char* name, unsigned flags);
int __real_fcntl(int fd, int command, ...);

int __wrap_eventfd(unsigned count, int flags) {
  const int fd = __real_eventfd(count, flags);
  nacre::preload::OwnFds::Get().Add(fd);
  return fd;
}

int __wrap_epoll_create1(int flags) {
  const int fd = __real_epoll_create1(flags);
  nacre::preload::OwnFds::Get().Add(fd);
  return fd;
}

int __wrap_memfd_create(const char* name, unsigned flags) {
  const int fd = __real_memfd_create(name, flags);
  nacre::preload::OwnFds::Get().Add(fd);
  return fd;
}

int __wrap_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const int result = __real_fcntl(fd, command, argument);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
    nacre::preload::OwnFds::Get().Add(result);
  }
  return result;
}

int __wrap_fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return __wrap_fcntl(fd, command, argument);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
