#ifndef NACRE_NACRE_JAIL_PROCESS_H_
#define NACRE_NACRE_JAIL_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace nacre::jail {

// A process of this program's own executable, started for Confine. Destroying
// it kills it and waits for its end, some seconds at most: one that hangs in a
// system call is left to whoever reaps orphans. One caller at a time, but for
// Kill.
//
// Executed anew rather than only forked: it shares no memory with its parent,
// neither secrets nor where things are in its address space, and it may be
// started when there are threads.
class Process {
 public:
  // The first descriptor that a process is given has this number, the next the
  // one after it. It has no others but standard error, `error_output`
  // (borrowed); standard input and output are /dev/null.
  static constexpr int kFirstFd = 3;

  // Starts /proc/self/exe with `argument` as its only one, with `fds`
  // (borrowed), in a session of its own, with an environment of nothing but the
  // variables that logging and sanitizers read. With `namespaces` in new user,
  // mount, pid, network, ipc and uts ones, of which it is root until Confine.
  // It is killed when the calling thread ends. Errors: the errno: EPERM, ENOSPC
  // or EUSERS where this system lets this user have no namespaces.
  static absl::StatusOr<Process> Start(const std::string& argument,
                                       std::span<const int> fds,
                                       int error_output, bool namespaces);
  Process(Process&&) = default;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  // What proc(5) has of it, and never of another process that got its number
  // later; there is nothing in it once it has ended.
  std::string folder() const;
  void Kill() const;

  // How it ended: "exit code 1", "signal 11 (Segmentation fault)"; nullopt
  // while it runs, and for ever where somebody else has reaped it: the kernel,
  // where this process ignores SIGCHLD.
  struct End {
    bool exited = false;  // Rather than by a signal.
    int code = 0;         // The exit code, or the signal.
  };
  std::optional<End> Wait(std::chrono::milliseconds limit);

 private:
  Process(pid_t pid, Fd pid_fd);

  pid_t pid_;
  Fd pid_fd_;  // Invalid in what was moved from.
  Fd folder_;
  std::optional<End> end_;
};

std::string Describe(const Process::End& end);

}  // namespace nacre::jail

#endif  // NACRE_NACRE_JAIL_PROCESS_H_
