#include "devices/virtio_gpu/testing/fence_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstring>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace {

std::atomic<int> calls = 0;
std::atomic<int> waits = 0;

// Lets a test hold the fence thread back before it looks for fences.
class Gate {
 public:
  void Close() {
    nacre::MutexLock lock(mutex_);
    closed_ = true;
  }
  void Open() {
    nacre::MutexLock lock(mutex_);
    closed_ = false;
    opened_.SignalAll();
  }
  void Pass() {
    nacre::MutexLock lock(mutex_);
    while (closed_) opened_.Wait(mutex_);
  }

 private:
  nacre::Mutex mutex_;
  nacre::CondVar opened_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

Gate gate;

bool IsFenceThread() {
  std::array<char, 16> name = {};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return std::strcmp(name.data(), "gpu-fences") == 0;
}

void Count() {
  if (IsFenceThread()) ++calls;
}

}  // namespace

extern "C" {
// NOLINTBEGIN: the linker's names.
int __real_epoll_wait(int, epoll_event*, int, int);
int __real_epoll_ctl(int, int, int, epoll_event*);
int __real_close(int);
ssize_t __real_read(int, void*, size_t);
ssize_t __real_write(int, const void*, size_t);
int __real_ioctl(int, unsigned long, void*);

int __wrap_epoll_wait(int epoll, epoll_event* events, int count, int timeout) {
  if (IsFenceThread()) {
    ++calls;
    ++waits;
    gate.Pass();
  }
  return __real_epoll_wait(epoll, events, count, timeout);
}
int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  Count();
  return __real_epoll_ctl(epoll, operation, fd, event);
}
int __wrap_close(int fd) {
  Count();
  return __real_close(fd);
}
ssize_t __wrap_read(int fd, void* out, size_t size) {
  Count();
  return __real_read(fd, out, size);
}
ssize_t __wrap_write(int fd, const void* in, size_t size) {
  Count();
  return __real_write(fd, in, size);
}
int __wrap_ioctl(int fd, unsigned long request, void* argument) {
  Count();
  return __real_ioctl(fd, request, argument);
}
// NOLINTEND
}

namespace nacre::virtio_gpu {

int FenceThread::calls() { return ::calls; }
int FenceThread::waits() { return ::waits; }

void FenceThread::AwaitWaits(int count) {
  while (::waits < count) sched_yield();
}

void FenceThread::Hold() { gate.Close(); }
void FenceThread::Release() { gate.Open(); }

}  // namespace nacre::virtio_gpu
