#ifndef NACRE_NACRE_JAIL_CONFINE_H_
#define NACRE_NACRE_JAIL_CONFINE_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "nacre/jail/filter.h"

namespace nacre::jail {

// Whether this build has a system call filter.
bool HasFilter();

// The most descriptors, for good. A simulated GPU has one for each buffer, each
// GPU one for each fence and each open file.
inline constexpr uint64_t kMaxDescriptors = 1 << 16;

// The most threads, a multiple of the dozen or so that a GPU needs. The kernel
// counts them by user namespace and user: without a namespace of its own, or
// before Linux 5.14, all that this user runs would count, and the limit stays
// as it is. Not kept where the user is root outside of the namespace.
inline constexpr uint64_t kMaxThreads = 256;

// Whether this kernel counts threads by user namespace, too. Before Confine.
bool ThreadsCountByNamespace();

struct Confinement {
  // Whether this process has namespaces of its own (StartProcess), which can
  // then be emptied.
  bool namespaces = false;
  std::span<const uint32_t> ioctls;  // See InstallFilter.
  RefusedCallReporter report = nullptr;
  // Tests have fewer, as this machine's own limit may be lower.
  uint64_t max_descriptors = kMaxDescriptors;
  // Tests look at the other layers without it.
  bool filter = HasFilter();
};

// Gives up, for good, everything that a process which has its descriptors
// already does not need; before it makes threads or reads what it does not
// trust. From the outside in:
//
//   an empty, read-only file system   where it has a mount namespace
//   Landlock: no file, no TCP port,   where the kernel has it
//   no signal or abstract socket
//   max_descriptors, kMaxThreads, no core dump, no locked memory, no signal in
//   a queue
//   no capability, no new privileges, not to be traced
//   the system call filter            but in sanitizer builds, whose runtime
//                                     needs other calls
//
// Errors: the errno of a layer that the kernel has and that fails.
absl::Status Confine(const Confinement& confinement);

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_CONFINE_H_
