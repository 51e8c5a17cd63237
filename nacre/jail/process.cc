#include "nacre/jail/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/errno_status.h"
#include "base/thread.h"
#include "glog/logging.h"

namespace nacre::jail {
namespace {

constexpr char kExecutable[] = "/proc/self/exe";
constexpr int kCannotStart = 127;
constexpr unsigned long kNamespaces = CLONE_NEWUSER | CLONE_NEWNS |
                                      CLONE_NEWPID | CLONE_NEWNET |
                                      CLONE_NEWIPC | CLONE_NEWUTS;

// The rest may hold secrets.
constexpr absl::string_view kVariables[] = {
    "GLOG_", "ASAN_OPTIONS=", "TSAN_OPTIONS=", "UBSAN_OPTIONS=", "TZ="};

std::vector<char*> KeptEnvironment() {
  std::vector<char*> kept;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::any_of(std::begin(kVariables), std::end(kVariables),
                    [&](absl::string_view prefix) {
                      return absl::StartsWith(*variable, prefix);
                    })) {
      kept.push_back(*variable);
    }
  }
  kept.push_back(nullptr);
  return kept;
}

// Closes all from `first` on: even if all of ours are close-on-exec, those of
// libraries may be not.
bool CloseFrom(int first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return true;
  rlimit limit;
  // Before Linux 5.9.
  if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  for (rlim_t fd = static_cast<rlim_t>(first); fd < limit.rlim_cur; ++fd) {
    close(static_cast<int>(fd));
  }
  return true;
}

// Moves `fds` to the numbers from 0 on. Some of them may be there.
bool MoveToFront(std::span<int> fds) {
  // Out of the way at first.
  for (int& fd : fds) {
    fd = fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(fds.size()));
    if (fd < 0) return false;
  }
  for (size_t i = 0; i < fds.size(); ++i) {
    if (dup2(fds[i], static_cast<int>(i)) < 0) return false;
  }
  return true;
}

// In the child of a process that may have threads: system calls only. `fds`
// are to be the descriptors from 0 on, of which the first two are not open yet.
// Where `user_map` is not empty, it is this process's user namespace's.
[[noreturn]] void Become(char* const* arguments, char* const* environment,
                         const std::string& user_map, std::span<int> fds) {
  if (!user_map.empty()) {
    const int map = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
    if (map < 0 || write(map, user_map.data(), user_map.size()) !=
                       static_cast<ssize_t>(user_map.size())) {
      _exit(kCannotStart);
    }
  }
  setsid();  // The terminal's signals are not for us, nor is the terminal.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  fds[STDIN_FILENO] = fds[STDOUT_FILENO] = null;
  if (null < 0 || !MoveToFront(fds) ||
      !CloseFrom(static_cast<int>(fds.size()))) {
    _exit(kCannotStart);
  }
  execve(kExecutable, arguments, environment);
  _exit(kCannotStart);
}

}  // namespace

absl::StatusOr<Process> Process::Start(const std::string& argument,
                                       std::span<const int> fds,
                                       int error_output, bool namespaces) {
  std::string name = "nacre";
  std::string only = argument;
  char* const arguments[] = {name.data(), only.data(), nullptr};
  const std::vector<char*> environment = KeptEnvironment();
  std::vector<int> numbers = {-1, -1, error_output};
  static_assert(kFirstFd == STDERR_FILENO + 1);
  numbers.insert(numbers.end(), fds.begin(), fds.end());
  // Root, over its own namespaces alone: an exec keeps no capabilities of
  // others, and Confine needs them to empty the file system.
  std::string user_map;
  if (namespaces) user_map = absl::StrCat("0 ", geteuid(), " 1");
  int pid_fd = -1;
  // As fork, and with a descriptor of the child. The arguments after the third
  // differ in order between architectures, and are zero.
  const long pid =
      syscall(SYS_clone, (namespaces ? kNamespaces : 0) | CLONE_PIDFD | SIGCHLD,
              nullptr, &pid_fd, nullptr, nullptr);
  if (pid < 0) {
    const int error = errno;
    return ErrnoStatus(
        error, absl::StrCat(namespaces ? "clone with namespaces" : "clone",
                            ThreadLimits(error)));
  }
  if (pid == 0) Become(arguments, environment.data(), user_map, numbers);
  return Process(static_cast<pid_t>(pid), Fd(pid_fd));
}

Process::Process(pid_t pid, Fd pid_fd)
    : pid_(pid),
      pid_fd_(std::move(pid_fd)),
      folder_(open(absl::StrCat("/proc/", pid).c_str(),
                   O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

std::string Process::folder() const {
  return absl::StrCat("/proc/self/fd/", folder_.get());
}

Process::~Process() {
  if (!pid_fd_.valid() || end_) return;
  Kill();
  constexpr std::chrono::seconds kLimit{5};
  LOG_IF(ERROR, !Wait(kLimit)) << "process " << pid_ << " does not end";
}

void Process::Kill() const {
  // By descriptor: the number may be another process's once this one is reaped.
  syscall(SYS_pidfd_send_signal, pid_fd_.get(), SIGKILL, nullptr, 0);
}

std::optional<Process::End> Process::Wait(std::chrono::milliseconds limit) {
  if (end_) return end_;
  pollfd poll_fd = {pid_fd_.get(), POLLIN, 0};
  // Of a vCPU's thread, which a stop signals again and again.
  const auto deadline = std::chrono::steady_clock::now() + limit;
  int ready = 0;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    ready =
        poll(&poll_fd, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  siginfo_t info = {};
  if (ready <= 0 ||
      waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid != pid_) {
    return std::nullopt;
  }
  end_ = End{info.si_code == CLD_EXITED, info.si_status};
  return end_;
}

std::string Describe(const Process::End& end) {
  if (end.exited && end.code == kCannotStart) {
    return absl::StrCat("exit code ", end.code,
                        " (its namespaces could not be entered, or the program "
                        "not be started again)");
  }
  if (end.exited) return absl::StrCat("exit code ", end.code);
  return absl::StrCat("signal ", end.code, " (", strsignal(end.code), ")");
}

}  // namespace nacre::jail
