#include "vmm/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "gtest/gtest.h"

namespace nacre::vmm {
namespace {

class EventLoopTest : public testing::Test {
 protected:
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
};

TEST_F(EventLoopTest, CallsBackWhenAnFdIsReady) {
  const EventFd event = EventFd::Create().value();
  uint32_t seen = 0;
  ASSERT_TRUE(loop_
                  ->Watch(event.fd(), EPOLLIN,
                          [&](uint32_t events) {
                            seen = events;
                            event.Clear();
                            loop_->Stop();
                          })
                  .ok());
  event.Signal();
  loop_->Run();
  EXPECT_EQ(seen, uint32_t{EPOLLIN});
}

TEST_F(EventLoopTest, IsLevelTriggered) {
  const EventFd event = EventFd::Create().value();
  int calls = 0;
  ASSERT_TRUE(loop_
                  ->Watch(event.fd(), EPOLLIN,
                          [&](uint32_t) {
                            if (++calls == 3) loop_->Stop();
                          })
                  .ok());
  event.Signal();
  loop_->Run();
  EXPECT_EQ(calls, 3);
}

TEST_F(EventLoopTest, RunsPostedTasksInOrderOnItsThread) {
  std::vector<int> order;
  std::thread::id thread;
  std::thread poster([&] {
    loop_->Post([&] {
      order.push_back(1);
      thread = std::this_thread::get_id();
    });
    loop_->Post([&] { order.push_back(2); });
    loop_->Stop();
  });
  loop_->Run();
  poster.join();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_EQ(thread, std::this_thread::get_id());
}

TEST_F(EventLoopTest, ATaskMayPostAnother) {
  bool ran = false;
  loop_->Post([&] {
    loop_->Post([&] {
      ran = true;
      loop_->Stop();
    });
  });
  loop_->Run();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, StopBeforeRunCountsOnce) {
  loop_->Stop();
  loop_->Run();
  bool ran = false;
  loop_->Post([&] {
    ran = true;
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_TRUE(ran);
}

// A guest that resets itself at once, again and again, keeps no signal away.
TEST_F(EventLoopTest, WhatIsReadyIsHandledThoughStopCameBeforeRun) {
  const EventFd event = EventFd::Create().value();
  int calls = 0;
  ASSERT_TRUE(
      loop_->Watch(event.fd(), EPOLLIN, [&](uint32_t) { ++calls; }).ok());
  event.Signal();
  for (int run = 1; run <= 100; ++run) {
    loop_->Stop();
    loop_->Run();
    ASSERT_EQ(calls, run);
  }
}

TEST_F(EventLoopTest, ACallbackMayUnwatchItself) {
  const EventFd event = EventFd::Create().value();
  int calls = 0;
  ASSERT_TRUE(loop_
                  ->Watch(event.fd(), EPOLLIN,
                          [&](uint32_t) {
                            EXPECT_TRUE(loop_->Unwatch(event.fd()).ok());
                            ++calls;  // Its captures are still there.
                            loop_->Stop();
                          })
                  .ok());
  event.Signal();
  loop_->Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, AnFdUnwatchedInTheSameTurnIsNotCalledBack) {
  const EventFd a = EventFd::Create().value();
  const EventFd b = EventFd::Create().value();
  int calls = 0;
  // Whichever comes first takes the other one away.
  const auto watch = [&](const EventFd& own, const EventFd& other) {
    ASSERT_TRUE(loop_
                    ->Watch(own.fd(), EPOLLIN,
                            [&](uint32_t) {
                              ++calls;
                              own.Clear();
                              EXPECT_TRUE(loop_->Unwatch(other.fd()).ok());
                              loop_->Stop();
                            })
                    .ok());
  };
  watch(a, b);
  watch(b, a);
  a.Signal();
  b.Signal();
  loop_->Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, RefusesToWatchTwiceAndToUnwatchTheUnknown) {
  const EventFd event = EventFd::Create().value();
  ASSERT_TRUE(loop_->Watch(event.fd(), EPOLLIN, [](uint32_t) {}).ok());
  EXPECT_EQ(loop_->Watch(event.fd(), EPOLLIN, [](uint32_t) {}).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(loop_->Unwatch(event.fd()).ok());
  EXPECT_EQ(loop_->Unwatch(event.fd()).code(), absl::StatusCode::kNotFound);
}

TEST_F(EventLoopTest, ReportsHangUp) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  uint32_t seen = 0;
  ASSERT_TRUE(loop_
                  ->Watch(ends[0], EPOLLIN,
                          [&](uint32_t events) {
                            seen = events;
                            loop_->Stop();
                          })
                  .ok());
  close(ends[1]);
  loop_->Run();
  EXPECT_EQ(seen, uint32_t{EPOLLHUP});
  ASSERT_TRUE(loop_->Unwatch(ends[0]).ok());
  close(ends[0]);
}

}  // namespace
}  // namespace nacre::vmm
