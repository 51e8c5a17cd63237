#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/errno_status.h"
#include "tools/preload/next.h"
#include "tools/preload/own_fds.h"
#include "tools/preload/preload.h"

// Interposed: what is done with descriptors. Everything else that takes one
// (poll, epoll, lseek, sendmsg, munmap of a mapping ...) goes to the kernel, to
// the descriptor that is behind each of ours.

namespace nacre::preload {
namespace {

constexpr int kFailed = -1;

int Answer(const absl::Status& status) {
  if (status.ok()) return 0;
  errno = StatusErrno(status);
  return kFailed;
}

using MmapFunction = void*(void*, size_t, int, int, int, off_t);

void* Mmap(MmapFunction* real, void* address, size_t length, int protection,
           int flags, int fd, off_t offset) {
  const FdTable::File file =
      (flags & MAP_ANONYMOUS) == 0 ? Preload::Get().fds().Find(fd) : nullptr;
  if (file == nullptr || !file->maps()) {
    return real(address, length, protection, flags, fd, offset);
  }
  const absl::StatusOr<void*> mapping =
      file->Map({.address = address,
                 .length = length,
                 .protection = protection,
                 .flags = flags,
                 .offset = static_cast<uint64_t>(offset)});
  if (mapping.ok()) return *mapping;
  errno = StatusErrno(mapping.status());
  return MAP_FAILED;
}

using FcntlFunction = int(int, int, ...);

int Fcntl(FcntlFunction* real, int fd, int command, void* argument) {
  const int result = real(fd, command, argument);
  const bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
  return duplicates ? Preload::Get().Duplicated(fd, result) : result;
}

}  // namespace

extern "C" {

// NOLINTBEGIN(google-runtime-int): as the C library declares it.
int ioctl(int fd, unsigned long request, ...) noexcept {
  static auto* const real = Next<int(int, unsigned long, ...)>("ioctl");
  // NOLINTEND(google-runtime-int)
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const FdTable::File file = Preload::Get().fds().Find(fd);
  if (file == nullptr) return real(fd, request, argument);
  return Answer(file->Ioctl(static_cast<uint32_t>(request), argument));
}

void* mmap(void* address, size_t length, int protection, int flags, int fd,
           off_t offset) noexcept {
  static auto* const real = Next<MmapFunction>("mmap");
  return Mmap(real, address, length, protection, flags, fd, offset);
}

void* mmap64(void* address, size_t length, int protection, int flags, int fd,
             off64_t offset) noexcept {
  static auto* const real = Next<MmapFunction>("mmap64");
  return Mmap(real, address, length, protection, flags, fd, offset);
}

// The eventfds behind fences and render nodes have other things to read.
ssize_t read(int fd, void* bytes, size_t size) {
  static auto* const real = Next<ssize_t(int, void*, size_t)>("read");
  const FdTable::File file = Preload::Get().fds().Find(fd);
  if (file == nullptr) return real(fd, bytes, size);
  const absl::StatusOr<size_t> got = file->Read(bytes, size);
  if (got.ok()) return static_cast<ssize_t>(*got);
  errno = StatusErrno(got.status());
  return kFailed;
}

int close(int fd) {
  static auto* const real = Next<int(int)>("close");
  // Its end, if this was the last, comes after the number is free.
  const FdTable::File file = Preload::Get().Forget(fd);
  // Until it is closed a listing must not show it.
  const uint32_t mark = OwnFds::Get().MarkOf(fd);
  const int result = real(fd);
  OwnFds::Get().Forget(fd, mark);
  return result;
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
  static auto* const real = Next<int(unsigned, unsigned, int)>("close_range");
  std::vector<FdTable::File> files;
  if ((flags & CLOSE_RANGE_CLOEXEC) == 0) {
    files = Preload::Get().ForgetRange(first, last);
  }
  return real(first, last, flags);
}

void closefrom(int first) noexcept {
  close_range(first > 0 ? static_cast<unsigned>(first) : 0, ~0u, 0);
}

int dup(int fd) noexcept {
  static auto* const real = Next<int(int)>("dup");
  return Preload::Get().Duplicated(fd, real(fd));
}

int dup2(int fd, int copy) noexcept {
  static auto* const real = Next<int(int, int)>("dup2");
  if (fd == copy) return real(fd, copy);
  const FdTable::File closed = Preload::Get().Forget(copy);
  return Preload::Get().Duplicated(fd, real(fd, copy));
}

int dup3(int fd, int copy, int flags) noexcept {
  static auto* const real = Next<int(int, int, int)>("dup3");
  if (fd == copy) return real(fd, copy, flags);
  const FdTable::File closed = Preload::Get().Forget(copy);
  return Preload::Get().Duplicated(fd, real(fd, copy, flags));
}

int fcntl(int fd, int command, ...) {
  static auto* const real = Next<FcntlFunction>("fcntl");
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fcntl(real, fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  static auto* const real = Next<FcntlFunction>("fcntl64");
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fcntl(real, fd, command, argument);
}

}  // extern "C"

}  // namespace nacre::preload
