#include "devices/virtio_gpu/relay.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

// Leads by making the calls that the test asks for, in order. Those of `block`
// return when the test says so. What only the leader may touch has no lock:
// TSan looks after it.
class RelayTest : public testing::Test, protected Relay::Work {
 protected:
  RelayTest() : relay_(this) {}

  void SetUp() override { ASSERT_TRUE(relay_.Start().ok()); }
  void TearDown() override {
    {
      MutexLock lock(mutex_);
      blocking_.clear();
      changed_.SignalAll();
    }
    relay_.Stop();
  }

  void Make(int call, bool block = false) {
    MutexLock lock(mutex_);
    if (block) blocking_.insert(call);
    calls_.push_back(call);
    changed_.SignalAll();
  }
  void Unblock(int call) {
    MutexLock lock(mutex_);
    blocking_.erase(call);
    changed_.SignalAll();
  }
  void AwaitBlocked(size_t count) {
    MutexLock lock(mutex_);
    while (blocked_ != count) changed_.Wait(mutex_);
  }
  // In the order in which the leader had done with them.
  std::vector<int> AwaitDone(size_t count) {
    MutexLock lock(mutex_);
    while (done_.size() < count) changed_.Wait(mutex_);
    return done_;
  }
  std::vector<int> taken_over() {
    MutexLock lock(mutex_);
    return taken_over_;
  }

 private:
  void Lead() override {
    relay_.OnWake();
    while (const std::optional<int> next = Next()) {
      int call = *next;
      relay_.set_task(&call);
      ++calls_begun_;
      relay_.Call([&] { MayBlock(call); });
      ++calls_returned_;
      EXPECT_LE(calls_returned_, calls_begun_);
      MutexLock lock(mutex_);
      done_.push_back(call);
      changed_.SignalAll();
    }
  }
  void OnTakeOver(void* task) override {
    ++calls_begun_;
    --calls_begun_;
    MutexLock lock(mutex_);
    taken_over_.push_back(*static_cast<int*>(task));
  }
  void Wake() override {
    MutexLock lock(mutex_);
    changed_.SignalAll();
  }

  std::optional<int> Next() {
    MutexLock lock(mutex_);
    while (true) {
      if (relay_.should_pass()) return std::nullopt;
      if (!calls_.empty()) break;
      changed_.Wait(mutex_);
    }
    const int call = calls_.front();
    calls_.pop_front();
    return call;
  }
  void MayBlock(int call) {
    MutexLock lock(mutex_);
    ++blocked_;
    changed_.SignalAll();
    while (blocking_.contains(call)) changed_.Wait(mutex_);
    --blocked_;
    changed_.SignalAll();
  }

  // The leader's.
  int calls_begun_ = 0;
  int calls_returned_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::deque<int> calls_ ABSL_GUARDED_BY(mutex_);
  std::set<int> blocking_ ABSL_GUARDED_BY(mutex_);
  size_t blocked_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int> done_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> taken_over_ ABSL_GUARDED_BY(mutex_);
  Relay relay_;
};

TEST_F(RelayTest, CallsThatReturnAreMadeInOrder) {
  for (int call = 1; call <= 3; ++call) Make(call);
  EXPECT_EQ(AwaitDone(3), std::vector<int>({1, 2, 3}));
}

TEST_F(RelayTest, GoesOnWhileACallBlocks) {
  Make(1, /*block=*/true);
  AwaitBlocked(1);
  Make(2);
  EXPECT_EQ(AwaitDone(1), std::vector<int>({2}));
  EXPECT_EQ(taken_over().front(), 1);
  Unblock(1);
  EXPECT_EQ(AwaitDone(2), std::vector<int>({2, 1}));
  Make(3);
  EXPECT_EQ(AwaitDone(3), std::vector<int>({2, 1, 3}));
}

TEST_F(RelayTest, CallsThatBlockReturnInAnyOrder) {
  for (int call = 1; call <= 4; ++call) Make(call, /*block=*/true);
  AwaitBlocked(4);
  Make(5);
  size_t done = AwaitDone(1).size();
  for (const int call : {3, 1, 4, 2}) {
    Unblock(call);
    EXPECT_EQ(AwaitDone(++done).back(), call);
  }
}

// The last thread is not relieved; all goes on as soon as any call returns.
TEST_F(RelayTest, WithAllThreadsInCallsTheRestWaits) {
  constexpr int kThreads = Relay::kMaxThreads;
  for (int call = 1; call <= kThreads; ++call) Make(call, /*block=*/true);
  AwaitBlocked(kThreads);
  Make(100);
  Unblock(3);
  const std::vector<int> done = AwaitDone(2);
  EXPECT_EQ(std::set<int>(done.begin(), done.end()), std::set<int>({3, 100}));
}

TEST_F(RelayTest, StopsWhileACallBlocks) {
  Make(1, /*block=*/true);
  AwaitBlocked(1);
  Make(2);
  AwaitDone(1);
}

// The host gives one thread, and for a while no other.
class RelayAloneTest : public RelayTest {
 protected:
  void SetUp() override {
    fault_.emplace(
        HostFault::Plan{.first = 1, .repeatedly = true, .error = EAGAIN});
    RelayTest::SetUp();
    EXPECT_EQ(fault_->failed(), "pthread_create(0)");
  }
  // So many calls that return.
  void MakeAll(int count) {
    for (int call = 0; call < count; ++call) Make(done_++);
    AwaitDone(done_);
  }

  std::optional<HostFault> fault_;
  int done_ = 0;
};

TEST_F(RelayAloneTest, AsksForAStandbyNowAndThen) {
  MakeAll(Relay::kWatchesATry);
  const uint64_t before = fault_->calls();
  MakeAll(10 * Relay::kWatchesATry);
  EXPECT_EQ(fault_->calls(), before + 10);
}

TEST_F(RelayAloneTest, GoesOnWhileACallBlocksOnceItHasAStandby) {
  MakeAll(Relay::kWatchesATry / 2);
  fault_.reset();
  MakeAll(Relay::kWatchesATry);
  Make(done_, /*block=*/true);
  AwaitBlocked(1);
  Make(done_ + 1);
  EXPECT_EQ(AwaitDone(done_ + 1).back(), done_ + 1);
}

// Calls block and return at random while others are made.
TEST_F(RelayTest, ManyCallsAllGetDone) {
  constexpr int kCalls = 300;
  for (int call = 1; call <= kCalls; ++call) {
    Make(call, /*block=*/call % 7 == 0);
    if (call >= 28 && call % 7 == 0) Unblock(call - 21);
  }
  for (int call = 1; call <= kCalls; ++call) Unblock(call);
  const std::vector<int> done = AwaitDone(kCalls);
  EXPECT_EQ(std::set<int>(done.begin(), done.end()).size(), size_t{kCalls});
}

}  // namespace
}  // namespace nacre::virtio_gpu
