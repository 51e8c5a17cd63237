#include "nacre/jail/filter.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre::jail {
namespace {

// Whatever their arguments. Some are of one architecture only.
constexpr const char* kAllowed[] = {
    // Descriptors that are here already.
    "close", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait",
    "eventfd2", "fstat", "ftruncate", "lseek", "poll", "ppoll", "read",
    "recvmsg", "sendmsg", "write", "writev",
    // Memory, but for what makes it executable.
    "brk", "mremap", "munmap",
    // Threads, but for making them.
    "exit", "exit_group", "getpid", "gettid", "restart_syscall", "rseq",
    "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield",
    "set_robust_list", "sigaltstack",
    // Time and chance.
    "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday",
    "nanosleep"};

// What libraries try: they go on without.
constexpr const char* kRefusedSoftly[] = {
    "access",     "faccessat", "faccessat2", "getcwd",   "membarrier",
    "newfstatat", "open",      "openat",     "readlink", "readlinkat",
    "stat",       "lstat",     "statx",      "sysinfo",  "uname",
};

constexpr scmp_datum_t kInt = 0xffff'ffff;  // What the kernel takes of an int.
constexpr scmp_datum_t kNewNamespaces =
    CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
    CLONE_NEWUSER | CLONE_NEWUTS;

// Conditions on the argument of this number. (The library's macros for them are
// for C.)
scmp_arg_cmp Equal(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp NotEqual(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_NE, value, 0};
}
scmp_arg_cmp Masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

class Rules {
 public:
  Rules() : filter_(seccomp_init(SCMP_ACT_TRAP)) {}

  void Allow(const char* name) { Add(SCMP_ACT_ALLOW, name, {}); }
  void AllowIf(const char* name, std::vector<scmp_arg_cmp> conditions) {
    Add(SCMP_ACT_ALLOW, name, std::move(conditions));
  }
  void Refuse(const char* name, int error,
              std::vector<scmp_arg_cmp> conditions = {}) {
    Add(SCMP_ACT_ERRNO(static_cast<uint32_t>(error)), name,
        std::move(conditions));
  }

  absl::Status Load() {
    if (filter_ == nullptr) return absl::ResourceExhaustedError("seccomp_init");
    Check(seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_NNP, 1), "NNP");
    // By default only the thread ends, with the locks that it holds.
    Check(seccomp_attr_set(filter_.get(), SCMP_FLTATR_ACT_BADARCH,
                           SCMP_ACT_KILL_PROCESS),
          "BADARCH");
    Check(seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_TSYNC, 1), "TSYNC");
    // Searched by halves rather than from the front.
    Check(seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2),
          "OPTIMIZE");
    RETURN_IF_ERROR(status_);
    Check(seccomp_load(filter_.get()), "seccomp_load");
    return status_;
  }

 private:
  void Add(uint32_t action, const char* name,
           std::vector<scmp_arg_cmp> conditions) {
    const int number = seccomp_syscall_resolve_name(name);
    // Another architecture's.
    if (number < 0 || filter_ == nullptr) return;
    Check(seccomp_rule_add_array(filter_.get(), action, number,
                                 static_cast<unsigned>(conditions.size()),
                                 conditions.data()),
          name);
  }
  // libseccomp returns negative errnos.
  void Check(int result, const char* what) {
    if (result < 0 && status_.ok()) {
      status_ = ErrnoStatus(-result, absl::StrCat("seccomp filter: ", what));
    }
  }

  const std::unique_ptr<void, Release> filter_;
  absl::Status status_;
};

void AddConditionalRules(Rules& rules) {
  // Nor huge pages, of which the host has a pool.
  rules.AllowIf("mmap", {Masked(2, PROT_EXEC, 0), Masked(3, MAP_HUGETLB, 0)});
  rules.AllowIf("mprotect", {Masked(2, PROT_EXEC, 0)});
  // Not what waits with priorities or is moved to other queues.
  constexpr scmp_datum_t kFutexFlags =
      FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME;
  for (const scmp_datum_t operation :
       {FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET}) {
    rules.AllowIf("futex", {Masked(1, kInt & ~kFutexFlags, operation)});
  }
  // Not of huge pages, nor executable.
  rules.AllowIf(
      "memfd_create",
      {Masked(1, kInt & ~scmp_datum_t{MFD_CLOEXEC | MFD_ALLOW_SEALING}, 0)});
  // The rest is advice that nobody depends on, or takes pages out of files.
  rules.AllowIf("madvise", {Equal(2, MADV_DONTNEED)});
  rules.Refuse("madvise", EINVAL, {NotEqual(2, MADV_DONTNEED)});
  // Threads of this process in its namespaces, with its descriptors: one with a
  // table of its own would have as many again. glibc falls back to clone from
  // clone3, whose arguments a filter cannot see.
  constexpr scmp_datum_t kThread = CLONE_THREAD | CLONE_FILES;
  rules.AllowIf("clone", {Masked(0, kThread | kNewNamespaces, kThread)});
  rules.Refuse("clone3", ENOSYS);
  // Not F_SETFL: an eventfd that we share with the VMM's process must not begin
  // to block it.
  for (const scmp_datum_t command :
       {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_ADD_SEALS, F_GET_SEALS}) {
    rules.AllowIf("fcntl", {Masked(1, kInt, command)});
  }
  for (const scmp_datum_t option : {PR_SET_NAME, PR_SET_TIMERSLACK}) {
    rules.AllowIf("prctl", {Masked(0, kInt, option)});
  }
  // Names of memory, which newer glibc and abseil try: as a kernel without
  // them.
  rules.Refuse("prctl", EINVAL, {Masked(0, kInt, PR_SET_VMA)});
  // Our own limits can be read.
  rules.AllowIf("prlimit64", {Equal(0, 0), Equal(2, 0)});
  // abort(3) and threads have handlers. Each by equality, rather than all but
  // SIGSYS: the kernel ignores half of the argument, a filter does not.
  for (int signal = 1; signal < _NSIG; ++signal) {
    if (signal == SIGSYS) continue;
    rules.AllowIf("rt_sigaction",
                  {Equal(0, static_cast<scmp_datum_t>(signal))});
  }
  // abort(3).
  rules.AllowIf("tgkill", {Equal(0, static_cast<scmp_datum_t>(getpid()))});
  // isatty(3).
  rules.Refuse("ioctl", ENOTTY, {Equal(1, TCGETS)});
}

RefusedCallReporter reporter = nullptr;

void OnRefusedCall(int, siginfo_t* info, void*) {
  if (reporter != nullptr) reporter(info->si_syscall, info->si_arch);
  _exit(kRefusedCallExit);
}

}  // namespace

absl::Status InstallFilter(std::span<const uint32_t> ioctls,
                           RefusedCallReporter report) {
  Rules rules;
  for (const char* name : kAllowed) rules.Allow(name);
  for (const char* name : kRefusedSoftly) rules.Refuse(name, EPERM);
  AddConditionalRules(rules);
  for (const uint32_t code : ioctls) {
    rules.AllowIf("ioctl", {Equal(1, code)});
  }
  reporter = report;
  struct sigaction action = {};
  action.sa_sigaction = OnRefusedCall;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSYS, &action, nullptr) != 0) {
    return ErrnoStatus("sigaction(SIGSYS)");
  }
  return rules.Load();
}

std::string SystemCallName(int number) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
  return name != nullptr ? name.get() : absl::StrCat(number);
}

}  // namespace nacre::jail
