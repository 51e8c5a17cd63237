#include "base/testing/host_faults.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>

#include "absl/strings/str_format.h"

namespace nacre {
namespace {

// Of the one HostFault. Read from any thread, perhaps one that was in a call
// when it ended.
std::atomic<bool> g_exists = false;
std::atomic<uint64_t> g_first;
std::atomic<bool> g_repeatedly;
std::atomic<int> g_error;
std::atomic<int> g_result;
std::atomic<bool> g_only_request;
std::atomic<unsigned long> g_request;
std::atomic<uint64_t> g_calls;
std::atomic<const char*> g_failed;
std::atomic<unsigned long> g_failed_request;

// What the call returns instead of being made, if it is its turn.
std::optional<int> Fault(const char* name, unsigned long request = 0) {
  if (!g_exists || (g_only_request && request != g_request)) {
    return std::nullopt;
  }
  const uint64_t call = g_calls++;
  if (call != g_first && !(g_repeatedly && call > g_first)) return std::nullopt;
  if (call == g_first) {
    g_failed_request = request;
    g_failed = name;
  }
  if (g_error == 0) return g_result;
  errno = g_error;
  return -1;
}

}  // namespace

HostFault::HostFault(const Plan& plan) {
  g_first = plan.first;
  g_repeatedly = plan.repeatedly;
  g_error = plan.error;
  g_result = plan.result;
  g_only_request = plan.request.has_value();
  g_request = plan.request.value_or(0);
  g_calls = 0;
  g_failed = nullptr;
  g_exists = true;
}

HostFault::~HostFault() { g_exists = false; }

uint64_t HostFault::calls() const { return g_calls; }

std::string HostFault::failed() const {
  const char* const name = g_failed;
  if (name == nullptr) return "";
  return absl::StrFormat("%s(%#x)", name, g_failed_request.load());
}

}  // namespace nacre

// Calls of the project's go to __wrap_NAME, and __real_NAME is the C library's
// (or the sanitizer's).
#define NACRE_WRAP(result, name, parameters, arguments)        \
  extern "C" result __real_##name parameters;                  \
  extern "C" result __wrap_##name parameters {                 \
    if (const auto fault = nacre::Fault(#name)) return *fault; \
    return __real_##name arguments;                            \
  }

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

extern "C" void* __real_mmap(void*, size_t, int, int, int, off_t);
extern "C" void* __wrap_mmap(void* address, size_t size, int protection,
                             int flags, int fd, off_t offset) {
  if (nacre::Fault("mmap")) return MAP_FAILED;
  return __real_mmap(address, size, protection, flags, fd, offset);
}

// Those with arguments that may be there or not, each of which a register
// holds.
extern "C" int __real_ioctl(int, unsigned long, ...);
extern "C" int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (const auto fault = nacre::Fault("ioctl", request)) return *fault;
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
  if (const auto fault = nacre::Fault("syscall", number)) return *fault;
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
