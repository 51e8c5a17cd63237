#ifndef NACRE_NACRE_JAIL_FILTER_H_
#define NACRE_NACRE_JAIL_FILTER_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"

namespace nacre::jail {

// Called in a signal handler, on any thread: only what signal-safety(7) allows.
using RefusedCallReporter = void (*)(int number, uint32_t architecture);

// The exit code of a process that made a system call which its filter refuses.
inline constexpr int kRefusedCallExit = 159;  // As a shell shows SIGSYS.

// Restricts this process, all its threads, for good to the system calls that a
// device needs (seccomp(2)): memory that is not executable, threads, time, and
// descriptors that it has or is sent. It can open no file, make no socket and
// no process, and signal nobody but itself. Of ioctl(2) it has exactly
// `ioctls`, whole request codes.
//
// What libraries try and can do without fails: with EPERM, looking up paths for
// instance, or as in a kernel that does not have it (clone3, names of memory).
// Every other call is not made, and ends the process with kRefusedCallExit,
// after `report`: no code of ours makes one, so somebody else's is running.
// (That is a handler of SIGSYS, which the filter keeps from being replaced,
// rather than a kill by the kernel, which would not tell the call. Who has the
// whole process can keep the handler from its work, though, and try on.)
//
// Sets no_new_privs. Errors: the errno, where the kernel has no seccomp.
absl::Status InstallFilter(std::span<const uint32_t> ioctls,
                           RefusedCallReporter report);

// For people: "execve", or the number where there is no such call here.
std::string SystemCallName(int number);

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_FILTER_H_
