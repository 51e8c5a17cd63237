#include "base/testing/host_faults.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <new>

#include "absl/strings/str_format.h"

// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is the linker's.
extern "C" void* __real_mmap(void*, size_t, int, int, int, off_t);

namespace nacre {
namespace {

// Of the one HostFault. Read from any thread, perhaps one that was in a call
// when it ended, and from children.
struct State {
  std::atomic<bool> exists;
  std::atomic<uint64_t> first;
  std::atomic<bool> repeatedly;
  std::atomic<int> error;
  std::atomic<int> result;
  std::atomic<bool> only_request;
  std::atomic<uint64_t> request;
  std::atomic<bool> in_children;
  std::atomic<uint64_t> calls;
  std::atomic<const char*> failed;
  std::atomic<uint64_t> failed_request;
};
State* MakeState() {
  void* const shared =
      __real_mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) std::abort();
  return new (shared) State();
}
// Shared with children; never unmapped. Before main, since threads that run
// already look for it.
State* const g_state = MakeState();
bool g_is_child = false;
thread_local bool t_exempt = false;

// Which calls fail.
enum class Kind {
  kAny,
  kOnce,        // If it is this one's turn, but not because of an earlier one.
  kOfChildren,  // In children alone.
};

// What the call returns instead of being made, if it is its turn.
std::optional<int> Fault(const char* name, Kind kind = Kind::kAny,
                         uint64_t request = 0) {
  if (g_state == nullptr || !g_state->exists || t_exempt) return std::nullopt;
  State& state = *g_state;
  if (state.in_children != g_is_child ||
      (kind == Kind::kOfChildren && !g_is_child) ||
      (state.only_request && request != state.request)) {
    return std::nullopt;
  }
  const uint64_t call = state.calls++;
  const bool again =
      state.repeatedly && call > state.first && kind != Kind::kOnce;
  if (call != state.first && !again) return std::nullopt;
  if (call == state.first) {
    state.failed_request = request;
    state.failed = name;
  }
  if (state.error == 0) return state.result;
  errno = state.error;
  return -1;
}

// To wait for better luck would be in vain.
bool FailsFromNowOn() {
  return g_state->exists && g_state->repeatedly &&
         g_state->calls > g_state->first;
}

}  // namespace

HostFault::HostFault(const Plan& plan) {
  g_state->first = plan.first;
  g_state->repeatedly = plan.repeatedly;
  g_state->error = plan.error;
  g_state->result = plan.result;
  g_state->only_request = plan.request.has_value();
  g_state->request = plan.request.value_or(0);
  g_state->in_children = plan.in_children;
  g_state->calls = 0;
  g_state->failed = nullptr;
  g_state->exists = true;
}

HostFault::~HostFault() { g_state->exists = false; }

uint64_t HostFault::calls() const { return g_state->calls; }

std::string HostFault::failed() const {
  const char* const name = g_state->failed;
  if (name == nullptr) return "";
  return absl::StrFormat("%s(%#x)", name, g_state->failed_request.load());
}

HostFault::Exempt::Exempt() { t_exempt = true; }
HostFault::Exempt::~Exempt() { t_exempt = false; }

}  // namespace nacre

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's.
// NOLINTBEGIN(google-runtime-int): and the types the C library's.
// Calls of the project's go to __wrap_NAME, and __real_NAME is the C library's
// (or the sanitizer's).
#define NACRE_WRAP_KIND(kind, result, name, parameters, arguments)   \
  extern "C" result __real_##name parameters;                        \
  extern "C" result __wrap_##name parameters {                       \
    if (const auto fault = nacre::Fault(#name, nacre::Kind::kind)) { \
      return *fault;                                                 \
    }                                                                \
    return __real_##name arguments;                                  \
  }
#define NACRE_WRAP(result, name, parameters, arguments) \
  NACRE_WRAP_KIND(kAny, result, name, parameters, arguments)

NACRE_WRAP(int, mprotect, (void* address, size_t size, int protection),
           (address, size, protection))
NACRE_WRAP(int, madvise, (void* address, size_t size, int advice),
           (address, size, advice))
NACRE_WRAP(int, eventfd, (unsigned int value, int flags), (value, flags))
NACRE_WRAP(int, signalfd, (int fd, const sigset_t* mask, int flags),
           (fd, mask, flags))
NACRE_WRAP(int, epoll_create1, (int flags), (flags))
NACRE_WRAP(int, epoll_ctl, (int epoll, int operation, int fd, epoll_event* e),
           (epoll, operation, fd, e))
NACRE_WRAP(int, memfd_create, (const char* name, unsigned int flags),
           (name, flags))
NACRE_WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
NACRE_WRAP(int, fallocate, (int fd, int mode, off_t offset, off_t size),
           (fd, mode, offset, size))
NACRE_WRAP(int, socketpair, (int domain, int type, int protocol, int* fds),
           (domain, type, protocol, fds))
NACRE_WRAP(ssize_t, sendmsg, (int fd, const msghdr* message, int flags),
           (fd, message, flags))
NACRE_WRAP(ssize_t, recvmsg, (int fd, msghdr* message, int flags),
           (fd, message, flags))
NACRE_WRAP(ssize_t, pread, (int fd, void* data, size_t size, off_t offset),
           (fd, data, size, offset))
NACRE_WRAP(int, fstat, (int fd, struct stat* status), (fd, status))
NACRE_WRAP(int, fstatfs, (int fd, struct statfs* status), (fd, status))
NACRE_WRAP(int, pipe2, (int* fds, int flags), (fds, flags))
NACRE_WRAP(int, mount,
           (const char* source, const char* target, const char* type,
            unsigned long flags, const void* data),
           (source, target, type, flags, data))
NACRE_WRAP(int, umount2, (const char* target, int flags), (target, flags))
NACRE_WRAP(int, chdir, (const char* path), (path))
NACRE_WRAP(int, chroot, (const char* path), (path))
NACRE_WRAP_KIND(kOnce, int, waitid,
                (idtype_t type, id_t id, siginfo_t* info, int options),
                (type, id, info, options))
NACRE_WRAP_KIND(kOfChildren, ssize_t, write,
                (int fd, const void* data, size_t size), (fd, data, size))
NACRE_WRAP_KIND(kOfChildren, int, dup2, (int fd, int other), (fd, other))
NACRE_WRAP_KIND(kOfChildren, int, execve,
                (const char* path, char* const* arguments,
                 char* const* environment),
                (path, arguments, environment))

extern "C" void* __wrap_mmap(void* address, size_t size, int protection,
                             int flags, int fd, off_t offset) {
  if (nacre::Fault("mmap")) return MAP_FAILED;
  return __real_mmap(address, size, protection, flags, fd, offset);
}

extern "C" int __real_nanosleep(const timespec*, timespec*);
extern "C" int __wrap_nanosleep(const timespec* time, timespec* remaining) {
  if (nacre::FailsFromNowOn()) return 0;
  return __real_nanosleep(time, remaining);
}

extern "C" void* __real_mremap(void*, size_t, size_t, int, ...);
extern "C" void* __wrap_mremap(void* address, size_t old_size, size_t size,
                               int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  void* const to = va_arg(arguments, void*);
  va_end(arguments);
  if (nacre::Fault("mremap")) return MAP_FAILED;
  return __real_mremap(address, old_size, size, flags, to);
}

// Returns its errno.
extern "C" int __real_pthread_create(pthread_t*, const pthread_attr_t*,
                                     void* (*)(void*), void*);
extern "C" int __wrap_pthread_create(pthread_t* thread,
                                     const pthread_attr_t* attributes,
                                     void* (*run)(void*), void* argument) {
  if (nacre::Fault("pthread_create")) return errno;
  return __real_pthread_create(thread, attributes, run, argument);
}

// Returns its errno negated. Only jails link libseccomp.
extern "C" __attribute__((weak)) int __real_seccomp_load(void*);
extern "C" int __wrap_seccomp_load(void* filter) {
  if (nacre::Fault("seccomp_load")) return -errno;
  return __real_seccomp_load(filter);
}

// Those with arguments that may be there or not, each of which a register
// holds.
extern "C" int __real_ioctl(int, unsigned long, ...);
extern "C" int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (const auto fault = nacre::Fault("ioctl", nacre::Kind::kAny, request)) {
    return *fault;
  }
  return __real_ioctl(fd, request, argument);
}

extern "C" int __real_fcntl(int, int, ...);
extern "C" int __wrap_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (const auto fault = nacre::Fault("fcntl")) return *fault;
  return __real_fcntl(fd, command, argument);
}

extern "C" int __real_open(const char*, int, ...);
extern "C" int __wrap_open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  if (const auto fault = nacre::Fault("open")) return *fault;
  return __real_open(path, flags, mode);
}

extern "C" long __real_syscall(long, ...);
extern "C" long __wrap_syscall(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  const nacre::Kind kind =
      number == SYS_pidfd_send_signal ? nacre::Kind::kOnce : nacre::Kind::kAny;
  if (const auto fault = nacre::Fault("syscall", kind, number)) return *fault;
  const long result =
      __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (number == SYS_clone && result == 0) nacre::g_is_child = true;
  return result;
}

// Sanitizers' runtimes make these, too, before our code may run.
#ifdef NACRE_WRAP_EARLY_CALLS
NACRE_WRAP(int, getrlimit, (__rlimit_resource_t resource, rlimit* limit),
           (resource, limit))
NACRE_WRAP(int, setrlimit, (__rlimit_resource_t resource, const rlimit* limit),
           (resource, limit))
NACRE_WRAP(int, sigaction,
           (int signal, const struct sigaction* action,
            struct sigaction* old_action),
           (signal, action, old_action))

extern "C" int __real_prctl(int, ...);
extern "C" int __wrap_prctl(int option, ...) {
  va_list arguments;
  va_start(arguments, option);
  unsigned long a[4];
  for (unsigned long& argument : a) argument = va_arg(arguments, unsigned long);
  va_end(arguments);
  // Capabilities are looked up until there are no more, and each is dropped as
  // the first is.
  const bool counts =
      option != PR_CAPBSET_READ && (option != PR_CAPBSET_DROP || a[0] == 0);
  if (counts) {
    if (const auto fault = nacre::Fault("prctl", nacre::Kind::kAny, option)) {
      return *fault;
    }
  }
  return __real_prctl(option, a[0], a[1], a[2], a[3]);
}
#endif
// NOLINTEND(google-runtime-int)
// NOLINTEND(bugprone-reserved-identifier)
