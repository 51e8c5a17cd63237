// How many system calls a fence costs from its fd's signal to the interrupt:
// those of the fence thread, which the linker (--wrap, see BUILD) sends past
// us, and one for the interrupt, which a transport writes to an eventfd. Locks
// are not counted: only contention makes them calls.

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/mutex.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

namespace {

std::atomic<int> calls = 0;
std::atomic<int> waits = 0;  // Of these, epoll_wait; counted before it waits.

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
namespace {

constexpr int kInterrupt = 1;

class GpuFenceCallsTest : public testing::Test {
 protected:
  GpuFenceCallsTest() {
    g_.CreateContext(1);
    AwaitWaits(1);
    calls = 0;
  }
  ~GpuFenceCallsTest() override { waits = 0; }

  // The fence thread has gone to wait `count` times.
  void AwaitWaits(int count) {
    while (waits < count) sched_yield();
    EXPECT_EQ(waits, count);
  }
  void Start(size_t fences) {
    for (uint64_t id = 0; id < fences; ++id) g_.Submit(g_.Work(1, 1, id));
    g_.Kick();
    g_.gpu().WaitFences(fences);
    // Watched, too.
    g_.Call(Request(wire::Type::kGetDisplayInfo));
  }

  GpuDriver g_;
};

TEST_F(GpuFenceCallsTest, AloneAtMostSix) {
  constexpr int kFences = 20;
  Start(kFences);
  for (int i = 0; i < kFences; ++i) {
    g_.gpu().SignalFence(i);
    g_.WaitFenceId();
    AwaitWaits(2 + i);
  }
  RecordProperty("calls", calls.load());
  EXPECT_LE(calls, kFences * (6 - kInterrupt));
}

TEST_F(GpuFenceCallsTest, InABatchOf16AtMostTwoEach) {
  constexpr int kBatch = 16;
  Start(1 + kBatch);
  gate.Close();
  g_.gpu().SignalFence(0);
  AwaitWaits(2);
  calls = 1;  // The wait that finds the batch.
  for (int i = 0; i < kBatch; ++i) g_.gpu().SignalFence(1 + i);
  gate.Open();
  AwaitWaits(3);
  EXPECT_EQ(g_.stats().fences_completed.value(), 1u + kBatch);
  const int batch_calls = calls - 1 + kInterrupt;
  RecordProperty("calls", batch_calls);
  EXPECT_LE(batch_calls, 2 * kBatch);
}

}  // namespace
}  // namespace nacre::virtio_gpu
