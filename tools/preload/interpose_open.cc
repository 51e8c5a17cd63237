#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <string>
#include <utility>

#include "base/fd.h"
#include "tools/preload/next.h"
#include "tools/preload/own_fds.h"
#include "tools/preload/preload.h"

// Interposed: what makes descriptors of paths.

namespace nacre::preload {
namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

// A descriptor to read `content` from; not one of the render node's family.
int OpenContent(const std::string& content, int flags) {
  if ((flags & O_ACCMODE) != O_RDONLY) return Fail(EACCES);
  Fd fd(
      memfd_create("nacre-sysfs", (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0));
  if (!fd.valid()) return -1;
  const ssize_t size = static_cast<ssize_t>(content.size());
  if (write(fd.get(), content.data(), content.size()) != size) return -1;
  lseek(fd.get(), 0, SEEK_SET);
  OwnFds::Get().Remove(fd.get());  // The program's.
  return fd.Release();
}

// open(2) with `real`, which is called as real(path), unless the path is ours.
template <typename Real>
int Open(const char* path, int flags, Real real) {
  if (path == nullptr || *path != '/') return real(path);
  Preload& preload = Preload::Get();
  const bool follow = (flags & O_NOFOLLOW) == 0;
  const Picture::Place place = preload.picture().Find(path, follow);
  if (place.node == nullptr) {
    if (place.outside) return real(place.path.c_str());
    return Fail((flags & O_CREAT) != 0 ? EACCES : ENOENT);
  }
  switch (place.node->kind) {
    case Picture::Kind::kRenderNode:
      return preload.OpenRenderNode(flags);
    case Picture::Kind::kFile:
      return OpenContent(place.node->content, flags);
    case Picture::Kind::kDirectory:
      return Fail(EISDIR);  // Listed by opendir(3) alone.
    case Picture::Kind::kLink:
      break;
  }
  return Fail(ELOOP);
}

template <typename Real>
FILE* OpenStream(const char* path, const char* mode, Real real) {
  if (path == nullptr || *path != '/') return real(path);
  const Picture::Place place =
      Preload::Get().picture().Find(path, /*follow=*/true);
  if (place.node == nullptr && place.outside) return real(place.path.c_str());
  const bool readable =
      place.node != nullptr && place.node->kind == Picture::Kind::kFile;
  if (!readable || *mode != 'r') {
    errno = place.node == nullptr ? ENOENT : EACCES;
    return nullptr;
  }
  const int fd = OpenContent(place.node->content, O_RDONLY | O_CLOEXEC);
  return fd >= 0 ? fdopen(fd, "r") : nullptr;
}

// The mode is there only for files that may be made.
#define NACRE_MODE(flags)                                           \
  mode_t mode = 0;                                                  \
  if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) { \
    va_list arguments;                                              \
    va_start(arguments, flags);                                     \
    mode = va_arg(arguments, mode_t);                               \
    va_end(arguments);                                              \
  }

using OpenFunction = int(const char*, int, ...);
using OpenAtFunction = int(int, const char*, int, ...);
using FopenFunction = FILE*(const char*, const char*);

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  static auto* const real = Next<OpenFunction>("open");
  NACRE_MODE(flags)
  return Open(path, flags, [=](const char* real_path) {
    return real(real_path, flags, mode);
  });
}

int open64(const char* path, int flags, ...) {
  static auto* const real = Next<OpenFunction>("open64");
  NACRE_MODE(flags)
  return Open(path, flags, [=](const char* real_path) {
    return real(real_path, flags, mode);
  });
}

int openat(int directory, const char* path, int flags, ...) {
  static auto* const real = Next<OpenAtFunction>("openat");
  NACRE_MODE(flags)
  return Open(path, flags, [=](const char* real_path) {
    return real(directory, real_path, flags, mode);
  });
}

int openat64(int directory, const char* path, int flags, ...) {
  static auto* const real = Next<OpenAtFunction>("openat64");
  NACRE_MODE(flags)
  return Open(path, flags, [=](const char* real_path) {
    return real(directory, real_path, flags, mode);
  });
}

// What programs built with _FORTIFY_SOURCE call where there is no mode.
// NOLINTBEGIN(bugprone-reserved-identifier): the names are the C library's.
int __open_2(const char* path, int flags) { return open(path, flags); }
int __open64_2(const char* path, int flags) { return open64(path, flags); }
int __openat_2(int directory, const char* path, int flags) {
  return openat(directory, path, flags);
}
int __openat64_2(int directory, const char* path, int flags) {
  return openat64(directory, path, flags);
}
// NOLINTEND(bugprone-reserved-identifier)

FILE* fopen(const char* path, const char* mode) {
  static auto* const real = Next<FopenFunction>("fopen");
  return OpenStream(
      path, mode, [=](const char* real_path) { return real(real_path, mode); });
}

FILE* fopen64(const char* path, const char* mode) {
  static auto* const real = Next<FopenFunction>("fopen64");
  return OpenStream(
      path, mode, [=](const char* real_path) { return real(real_path, mode); });
}

}  // extern "C"

}  // namespace nacre::preload
