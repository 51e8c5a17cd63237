#include "nacre/jail/confine.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/errno_status.h"
#include "base/status_macros.h"
#include "nacre/jail/landlock.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NACRE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NACRE_SANITIZED 1
#endif
#endif

namespace nacre::jail {
namespace {

// Replaces everything that this process sees of the file system by a folder in
// which nothing is and nothing can be made.
absl::Status EmptyFileSystem() {
  // What is mounted here from now on shows nowhere else.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return ErrnoStatus("mount(/, MS_PRIVATE)");
  }
  // Any folder would do; /proc is there, since we were started through it.
  constexpr char kPlace[] = "/proc";
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  if (mount("none", kPlace, "tmpfs", kFlags, "size=4k,nr_inodes=1,mode=555") !=
      0) {
    return ErrnoStatus("mount(tmpfs)");
  }
  if (chdir(kPlace) != 0) return ErrnoStatus("chdir");
  if (syscall(SYS_pivot_root, ".", ".") == 0) {
    // The old root is now on top of the new one.
    if (umount2(".", MNT_DETACH) != 0) return ErrnoStatus("umount2");
  } else if (errno == EINVAL) {
    // An initramfs cannot be replaced: it is covered instead.
    if (mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) {
      return ErrnoStatus("mount(MS_MOVE)");
    }
    if (chroot(".") != 0) return ErrnoStatus("chroot");
  } else {
    return ErrnoStatus("pivot_root");
  }
  if (chdir("/") != 0) return ErrnoStatus("chdir(/)");
  return absl::OkStatus();
}

absl::Status LimitDescriptors(uint64_t max_descriptors) {
  // Attack stopped: the kernel counts descriptors that are under way in sockets
  // for all of a user's processes together, and lets one send while they are no
  // more than its own limit.
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus("getrlimit");
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, max_descriptors);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus("setrlimit");
  return absl::OkStatus();
}

absl::Status LimitThreads() {
  // Attack stopped: threads without end, which are the whole machine's.
  rlimit limit;
  if (getrlimit(RLIMIT_NPROC, &limit) != 0) return ErrnoStatus("getrlimit");
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, kMaxThreads);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NPROC, &limit) != 0) return ErrnoStatus("setrlimit");
  return absl::OkStatus();
}

absl::Status LimitResources(const Confinement& confinement) {
  RETURN_IF_ERROR(LimitDescriptors(confinement.max_descriptors));
  if (confinement.namespaces && ThreadsCountByNamespace()) {
    RETURN_IF_ERROR(LimitThreads());
  }
  // A core would hold the guest's memory; the others are not needed. Attack
  // stopped: real-time signals that nobody takes; the kernel counts them for
  // all of a user's processes together.
  for (const auto resource :
       {RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_SIGPENDING}) {
    const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    if (setrlimit(resource, &none) != 0) return ErrnoStatus("setrlimit");
  }
  // Nor may another process of this user look into this one.
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return ErrnoStatus("PR_SET_DUMPABLE");
  return absl::OkStatus();
}

absl::Status DropCapabilities() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoStatus("PR_SET_NO_NEW_PRIVS");
  }
  // Those beyond the kernel's last are EINVAL. Without CAP_SETPCAP this does
  // nothing, but then there is nothing that an exec could gain either.
  for (unsigned long capability = 0;
       prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) {
      return ErrnoStatus("PR_CAPBSET_DROP");
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return ErrnoStatus("PR_CAP_AMBIENT_CLEAR_ALL");
  }
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3,
                                     .pid = 0};
  const std::array<__user_cap_data_struct, 2> none = {};
  if (syscall(SYS_capset, &header, none.data()) != 0) {
    return ErrnoStatus("capset");
  }
  return absl::OkStatus();
}

}  // namespace

bool HasFilter() {
#ifdef NACRE_SANITIZED
  return false;
#else
  return true;
#endif
}

bool ThreadsCountByNamespace() {
  utsname system;
  int major = 0;
  int minor = 0;
  return uname(&system) == 0 &&
         std::sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
         (major > 5 || (major == 5 && minor >= 14));
}

absl::Status Confine(const Confinement& confinement) {
  tzset();  // Reads a file; logging needs it.
  if (confinement.namespaces) RETURN_IF_ERROR(EmptyFileSystem());
  RETURN_IF_ERROR(LimitResources(confinement));
  RETURN_IF_ERROR(DropCapabilities());
  RETURN_IF_ERROR(ForbidFiles());
  if (!confinement.filter) return absl::OkStatus();
  return InstallFilter(confinement.ioctls, confinement.report);
}

}  // namespace nacre::jail
