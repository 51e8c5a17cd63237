#include "devices/virtio_gpu/fence_reactor.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/testing/host_faults.h"
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
  reactor->Watch(fence.fd(), 7);
  fence.Signal();
  EXPECT_EQ(collector.WaitSorted(1), std::vector<uint64_t>({7}));
}

TEST(FenceReactorTest, ReportsAFenceThatHadFiredBefore) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd fence = *EventFd::Create();
  fence.Signal();
  reactor->Watch(fence.fd(), 7);
  EXPECT_EQ(collector.WaitSorted(1), std::vector<uint64_t>({7}));
}

// Closing is not enough to leave epoll while someone else holds the file.
TEST(FenceReactorTest, ReportsAFenceOnceEvenIfItsFileStaysOpenAndReadable) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const EventFd held = *EventFd::Create();
  Fd watched = DuplicateOf(held);
  reactor->Watch(watched.get(), 1);
  held.Signal();
  collector.WaitSorted(1);
  watched.Reset();
  const EventFd other = *EventFd::Create();
  reactor->Watch(other.fd(), 2);
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
  reactor->Watch(number, 1);
  collector.WaitSorted(1);
  watched.Reset();
  watched = DuplicateOf(held);
  ASSERT_EQ(watched.get(), number);
  reactor->Watch(number, 2);
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
    reactor->Watch(fences.back().fd(), i);
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
  reactor->Watch(fence.fd(), 1);
  reactor.reset();
}

// epoll_ctl wants memory, and fs.epoll.max_user_watches bounds it.
class UnwatchedFencesTest : public testing::TestWithParam<int> {
 protected:
  void Watch(const EventFd& fence, uint64_t token) {
    const HostFault fault(
        {.first = 0, .repeatedly = true, .error = GetParam()});
    reactor_->Watch(fence.fd(), token);
    EXPECT_EQ(fault.failed(), "epoll_ctl(0)");
  }

  Collector collector_;
  std::unique_ptr<FenceReactor> reactor_ =
      *FenceReactor::Create(collector_.callback());
};

INSTANTIATE_TEST_SUITE_P(Errnos, UnwatchedFencesTest,
                         testing::Values(ENOMEM, ENOSPC, EPERM, EINVAL));

TEST_P(UnwatchedFencesTest, AreReportedWhenTheyFireAndNotBefore) {
  const EventFd refused = *EventFd::Create();
  Watch(refused, 1);
  // Those that fire later, and are reported, show that it waited.
  const EventFd watched = *EventFd::Create();
  reactor_->Watch(watched.fd(), 2);
  watched.Signal();
  EXPECT_EQ(collector_.WaitSorted(1), std::vector<uint64_t>({2}));
  const EventFd refused_too = *EventFd::Create();
  refused_too.Signal();
  Watch(refused_too, 3);
  EXPECT_EQ(collector_.WaitSorted(2), std::vector<uint64_t>({2, 3}));
  refused.Signal();
  EXPECT_EQ(collector_.WaitSorted(3), std::vector<uint64_t>({1, 2, 3}));
}

TEST_P(UnwatchedFencesTest, AreReportedOnce) {
  constexpr uint64_t kCount = 3 * FenceReactor::kMaxBatch;
  std::vector<EventFd> fences;
  std::vector<uint64_t> expected;
  for (uint64_t i = 0; i < kCount; ++i) {
    fences.push_back(*EventFd::Create());
    fences.back().Signal();
    Watch(fences.back(), i);
    expected.push_back(i);
  }
  collector_.WaitSorted(kCount);
  // They are still readable, and this one comes behind them.
  const EventFd last = *EventFd::Create();
  last.Signal();
  Watch(last, kCount);
  expected.push_back(kCount);
  EXPECT_EQ(collector_.WaitSorted(kCount + 1), expected);
}

TEST_P(UnwatchedFencesTest, HoldUpNoEnd) {
  const EventFd fence = *EventFd::Create();
  Watch(fence, 1);
  reactor_.reset();
}

// As poll(2) has it: there is nothing to wait for.
TEST(FenceReactorTest, ReportsAFileThatCannotBePolled) {
  Collector collector;
  auto reactor = *FenceReactor::Create(collector.callback());
  const Fd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  reactor->Watch(file.get(), 1);
  EXPECT_EQ(collector.WaitSorted(1), std::vector<uint64_t>({1}));
}

}  // namespace
}  // namespace nacre::virtio_gpu
