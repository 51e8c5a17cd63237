#ifndef NACRE_NACRE_JAIL_ATTEMPTS_H_
#define NACRE_NACRE_JAIL_ATTEMPTS_H_

#include <cstdint>
#include <optional>
#include <span>

namespace nacre::jail {

// What a process in the hands of somebody else tries: calls that a device never
// makes, some that it does, and looks at what Confine leaves. For jail_test,
// and for the process of a whole GPU.

// What jail_test's jail has: DRM_IOCTL_MSM_GEM_NEW, and few descriptors, since
// a system's own limit may be lower than ours.
inline constexpr uint32_t kAllowedIoctl = 0xc0106442;
inline constexpr int kAllowedDescriptors = 500;

inline constexpr int kEnded = -1;   // By the filter, which reports it.
inline constexpr int kKilled = -2;  // By the kernel.

struct Attempt {
  const char* name;
  // As a system call: -1 and errno, or another value.
  int64_t (*make)();
  // The errno that it gets, 0 for success, or one of the above.
  int in_jail;
  // The same without the filter; nullopt where other layers do not care.
  std::optional<int> without_filter;
};

std::span<const Attempt> Attempts();

// Opens what they need; before Confine.
void PrepareAttempts();

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_ATTEMPTS_H_
