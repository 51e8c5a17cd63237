#include "devices/virtio_gpu/fence_reactor.h"

#include <fcntl.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

// Collects tokens, and lets a test wait for them.
class Collector {
 public:
  FenceReactor::Callback callback() {
    return [this](std::span<const uint64_t> tokens) {
      MutexLock lock(mutex_);
      tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
      changed_.SignalAll();
    };
  }
  std::vector<uint64_t> WaitSorted(size_t count) {
    MutexLock lock(mutex_);
    while (tokens_.size() < count) changed_.Wait(mutex_);
    std::vector<uint64_t> tokens = tokens_;
    std::sort(tokens.begin(), tokens.end());
    return tokens;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<uint64_t> tokens_ ABSL_GUARDED_BY(mutex_);
};

Fd DuplicateOf(const EventFd& event) {
  return Fd(fcntl(event.fd(), F_DUPFD_CLOEXEC, 0));
}

TEST(FenceReactorTest, ReportsAFenceThatFires) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd fence = *EventFd::Create();
  ASSERT_TRUE(reactor->Watch(fence.fd(), 7).ok());
  fence.Signal();
  EXPECT_EQ(collector.WaitSorted(1), std::vector<uint64_t>({7}));
}

TEST(FenceReactorTest, ReportsAFenceThatHadFiredBefore) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd fence = *EventFd::Create();
  fence.Signal();
  ASSERT_TRUE(reactor->Watch(fence.fd(), 7).ok());
  EXPECT_EQ(collector.WaitSorted(1), std::vector<uint64_t>({7}));
}

// Closing is not enough to leave epoll while someone else holds the file.
TEST(FenceReactorTest, ReportsAFenceOnceEvenIfItsFileStaysOpenAndReadable) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd held = *EventFd::Create();
  Fd watched = DuplicateOf(held);
  ASSERT_TRUE(reactor->Watch(watched.get(), 1).ok());
  held.Signal();
  collector.WaitSorted(1);
  watched.Reset();
  const EventFd other = *EventFd::Create();
  ASSERT_TRUE(reactor->Watch(other.fd(), 2).ok());
  other.Signal();
  EXPECT_EQ(collector.WaitSorted(2), std::vector<uint64_t>({1, 2}));
}

// The same file under the same number: epoll knows it already.
TEST(FenceReactorTest, ReportsAFileThatComesBack) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd held = *EventFd::Create();
  held.Signal();
  Fd watched = DuplicateOf(held);
  const int number = watched.get();
  ASSERT_TRUE(reactor->Watch(number, 1).ok());
  collector.WaitSorted(1);
  watched.Reset();
  watched = DuplicateOf(held);
  ASSERT_EQ(watched.get(), number);
  ASSERT_TRUE(reactor->Watch(number, 2).ok());
  EXPECT_EQ(collector.WaitSorted(2), std::vector<uint64_t>({1, 2}));
}

TEST(FenceReactorTest, ReportsEveryOneOfManyFences) {
  constexpr uint64_t kCount = 500;
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  std::vector<EventFd> fences;
  std::vector<uint64_t> expected;
  for (uint64_t i = 0; i < kCount; ++i) {
    fences.push_back(*EventFd::Create());
    ASSERT_TRUE(reactor->Watch(fences.back().fd(), i).ok());
    expected.push_back(i);
  }
  std::thread signaller([&fences] {
    for (const EventFd& fence : fences) fence.Signal();
  });
  EXPECT_EQ(collector.WaitSorted(kCount), expected);
  signaller.join();
}

TEST(FenceReactorTest, EndsAtOnceWithFencesThatNeverFire) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd fence = *EventFd::Create();
  ASSERT_TRUE(reactor->Watch(fence.fd(), 1).ok());
  reactor.reset();
}

TEST(FenceReactorTest, RefusesWhatCannotBePolled) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const Fd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  EXPECT_FALSE(reactor->Watch(file.get(), 1).ok());
}

}  // namespace
}  // namespace nacre::virtio_gpu
