#include "base/thread.h"

#include <pthread.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <future>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/testing/host_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

TEST(ThreadTest, RunsUnderItsName) {
  std::array<char, 16> name = {};
  absl::StatusOr<Thread> thread = Thread::Start("fifteen-letters", [&name] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
  });
  ASSERT_TRUE(thread.ok()) << thread.status();
  EXPECT_TRUE(thread->joinable());
  thread->Join();
  EXPECT_FALSE(thread->joinable());
  EXPECT_STREQ(name.data(), "fifteen-letters");
}

TEST(ThreadTest, IsMoved) {
  bool ran = false;
  Thread thread;
  EXPECT_FALSE(thread.joinable());
  {
    Thread other = *Thread::Start("test", [&ran] { ran = true; });
    thread = std::move(other);
    // Else its end would be a CHECK.
  }
  EXPECT_TRUE(thread.joinable());
  thread.Join();
  EXPECT_TRUE(ran);
}

TEST(ThreadTest, IsJoinedOnceItHasEnded) {
  std::promise<void> go;
  Thread thread = *Thread::Start("test", [&go] { go.get_future().wait(); });
  EXPECT_FALSE(thread.JoinWithin(std::chrono::milliseconds(1)));
  EXPECT_TRUE(thread.joinable());
  go.set_value();
  while (!thread.JoinWithin(std::chrono::milliseconds(1500))) continue;
  EXPECT_FALSE(thread.joinable());
}

TEST(ThreadTest, AHostWithoutThreadsIsAnError) {
  bool ran = false;
  const HostFault fault({.first = 0, .error = EAGAIN});
  const absl::Status status =
      Thread::Start("test", [&ran] { ran = true; }).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("RLIMIT_NPROC"));
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace nacre
