#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "tools/preload/next.h"
#include "tools/preload/preload.h"
#include "tools/preload/render_node.h"

// Interposed: what asks about paths, and fstat(2).

namespace nacre::preload {
namespace {

static_assert(sizeof(struct stat) == sizeof(struct stat64));

int Fail(int error) {
  errno = error;
  return -1;
}

// Calls one of the two, with the picture's node or with the path to ask the
// machine for.
template <typename Ours, typename Real>
auto Ask(const char* path, bool follow, Ours ours, Real real)
    -> decltype(real(path)) {
  if (path == nullptr || *path != '/') return real(path);
  const Picture::Place place = Preload::Get().picture().Find(path, follow);
  if (place.node == nullptr && place.outside) return real(place.path.c_str());
  return ours(place);
}

mode_t ModeOf(const Picture::Node& node) {
  switch (node.kind) {
    case Picture::Kind::kDirectory:
      return S_IFDIR | 0755;
    case Picture::Kind::kFile:
      return S_IFREG | 0444;
    case Picture::Kind::kLink:
      return S_IFLNK | 0777;
    case Picture::Kind::kRenderNode:
      return S_IFCHR | 0666;
  }
  return 0;
}

// Whether an *at call is about a descriptor that is a render node.
bool IsRenderNode(int directory, const char* path, int flags) {
  return (flags & AT_EMPTY_PATH) != 0 && path != nullptr && *path == '\0' &&
         Preload::Get().fds().FindAs<RenderNode>(directory) != nullptr;
}

// `Stat` is struct stat or struct stat64.
template <typename Stat>
void FillRenderNode(Stat& out) {
  out = {};
  out.st_mode = S_IFCHR | 0666;
  out.st_nlink = 1;
  out.st_rdev = RenderNode::kDevice;
}

template <typename Stat>
int Fill(const Picture::Place& place, Stat* out) {
  if (place.node == nullptr) return Fail(ENOENT);
  *out = {};
  out->st_mode = ModeOf(*place.node);
  out->st_nlink = 1;
  out->st_size = static_cast<off_t>(place.node->content.size());
  if (place.node->kind == Picture::Kind::kRenderNode) FillRenderNode(*out);
  return 0;
}

template <typename Stat>
int StatPath(const char* path, bool follow, Stat* out,
             int (*real)(const char*, Stat*)) {
  return Ask(
      path, follow,
      [=](const Picture::Place& place) { return Fill(place, out); },
      [=](const char* real_path) { return real(real_path, out); });
}

template <typename Stat>
int StatFd(int fd, Stat* out, int (*real)(int, Stat*)) {
  if (Preload::Get().fds().FindAs<RenderNode>(fd) == nullptr) {
    return real(fd, out);
  }
  FillRenderNode(*out);
  return 0;
}

template <typename Stat>
int StatAt(int directory, const char* path, int flags, Stat* out,
           int (*real)(int, const char*, Stat*, int)) {
  if (IsRenderNode(directory, path, flags)) {
    FillRenderNode(*out);
    return 0;
  }
  return Ask(
      path, (flags & AT_SYMLINK_NOFOLLOW) == 0,
      [=](const Picture::Place& place) { return Fill(place, out); },
      [=](const char* real_path) {
        return real(directory, real_path, out, flags);
      });
}

int FillStatx(const struct stat& from, struct statx* out) {
  *out = {};
  out->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_SIZE;
  out->stx_mode = static_cast<uint16_t>(from.st_mode);
  out->stx_nlink = 1;
  out->stx_size = static_cast<uint64_t>(from.st_size);
  out->stx_rdev_major = major(from.st_rdev);
  out->stx_rdev_minor = minor(from.st_rdev);
  return 0;
}

int Access(const Picture::Place& place, int mode) {
  if (place.node == nullptr) return Fail(ENOENT);
  const bool writable = place.node->kind == Picture::Kind::kRenderNode;
  return (mode & W_OK) != 0 && !writable ? Fail(EACCES) : 0;
}

ssize_t ReadLink(const Picture::Place& place, char* out, size_t size) {
  if (place.node == nullptr) return Fail(ENOENT);
  if (place.node->kind != Picture::Kind::kLink) return Fail(EINVAL);
  const size_t copied = std::min(size, place.node->content.size());
  std::copy_n(place.node->content.begin(), copied, out);
  return static_cast<ssize_t>(copied);
}

}  // namespace

extern "C" {

int stat(const char* path, struct stat* out) noexcept {
  static auto* const real = Next<int(const char*, struct stat*)>("stat");
  return StatPath(path, true, out, real);
}
int stat64(const char* path, struct stat64* out) noexcept {
  static auto* const real = Next<int(const char*, struct stat64*)>("stat64");
  return StatPath(path, true, out, real);
}
int lstat(const char* path, struct stat* out) noexcept {
  static auto* const real = Next<int(const char*, struct stat*)>("lstat");
  return StatPath(path, false, out, real);
}
int lstat64(const char* path, struct stat64* out) noexcept {
  static auto* const real = Next<int(const char*, struct stat64*)>("lstat64");
  return StatPath(path, false, out, real);
}
int fstat(int fd, struct stat* out) noexcept {
  static auto* const real = Next<int(int, struct stat*)>("fstat");
  return StatFd(fd, out, real);
}
int fstat64(int fd, struct stat64* out) noexcept {
  static auto* const real = Next<int(int, struct stat64*)>("fstat64");
  return StatFd(fd, out, real);
}
int fstatat(int directory, const char* path, struct stat* out,
            int flags) noexcept {
  static auto* const real =
      Next<int(int, const char*, struct stat*, int)>("fstatat");
  return StatAt(directory, path, flags, out, real);
}
int fstatat64(int directory, const char* path, struct stat64* out,
              int flags) noexcept {
  static auto* const real =
      Next<int(int, const char*, struct stat64*, int)>("fstatat64");
  return StatAt(directory, path, flags, out, real);
}

// What programs built with a C library before 2.33 call.
// NOLINTBEGIN(bugprone-reserved-identifier): the names are that library's.
int __xstat(int /*version*/, const char* path, struct stat* out) noexcept {
  return stat(path, out);
}
int __xstat64(int /*version*/, const char* path, struct stat64* out) noexcept {
  return stat64(path, out);
}
int __lxstat(int /*version*/, const char* path, struct stat* out) noexcept {
  return lstat(path, out);
}
int __lxstat64(int /*version*/, const char* path, struct stat64* out) noexcept {
  return lstat64(path, out);
}
int __fxstat(int /*version*/, int fd, struct stat* out) noexcept {
  return fstat(fd, out);
}
int __fxstat64(int /*version*/, int fd, struct stat64* out) noexcept {
  return fstat64(fd, out);
}
// NOLINTEND(bugprone-reserved-identifier)

int statx(int directory, const char* path, int flags, unsigned mask,
          struct statx* out) noexcept {
  static auto* const real =
      Next<int(int, const char*, int, unsigned, struct statx*)>("statx");
  struct stat from = {};
  if (IsRenderNode(directory, path, flags)) {
    FillRenderNode(from);
    return FillStatx(from, out);
  }
  return Ask(
      path, (flags & AT_SYMLINK_NOFOLLOW) == 0,
      [&](const Picture::Place& place) {
        return Fill(place, &from) == 0 ? FillStatx(from, out) : -1;
      },
      [=](const char* real_path) {
        return real(directory, real_path, flags, mask, out);
      });
}

int access(const char* path, int mode) noexcept {
  static auto* const real = Next<int(const char*, int)>("access");
  return Ask(
      path, true,
      [=](const Picture::Place& place) { return Access(place, mode); },
      [=](const char* real_path) { return real(real_path, mode); });
}

int faccessat(int directory, const char* path, int mode, int flags) noexcept {
  static auto* const real = Next<int(int, const char*, int, int)>("faccessat");
  return Ask(
      path, true,
      [=](const Picture::Place& place) { return Access(place, mode); },
      [=](const char* real_path) {
        return real(directory, real_path, mode, flags);
      });
}

ssize_t readlink(const char* path, char* out, size_t size) noexcept {
  static auto* const real =
      Next<ssize_t(const char*, char*, size_t)>("readlink");
  return Ask(
      path, false,
      [=](const Picture::Place& place) { return ReadLink(place, out, size); },
      [=](const char* real_path) { return real(real_path, out, size); });
}

ssize_t readlinkat(int directory, const char* path, char* out,
                   size_t size) noexcept {
  static auto* const real =
      Next<ssize_t(int, const char*, char*, size_t)>("readlinkat");
  return Ask(
      path, false,
      [=](const Picture::Place& place) { return ReadLink(place, out, size); },
      [=](const char* real_path) {
        return real(directory, real_path, out, size);
      });
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's name.
ssize_t __readlink_chk(const char* path, char* out, size_t size,
                       size_t /*room*/) noexcept {
  return readlink(path, out, size);
}

char* realpath(const char* path, char* out) noexcept {
  static auto* const real = Next<char*(const char*, char*)>("realpath");
  return Ask(
      path, true,
      [=](const Picture::Place& place) -> char* {
        if (place.node == nullptr) {
          errno = ENOENT;
          return nullptr;
        }
        if (out == nullptr) return strdup(place.path.c_str());
        std::memcpy(out, place.path.c_str(), place.path.size() + 1);
        return out;
      },
      [=](const char* real_path) { return real(real_path, out); });
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's name.
char* __realpath_chk(const char* path, char* out, size_t /*room*/) noexcept {
  return realpath(path, out);
}

}  // extern "C"

}  // namespace nacre::preload
