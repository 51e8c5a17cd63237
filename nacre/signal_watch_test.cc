#include "nacre/signal_watch.h"

#include <sys/types.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace nacre {
namespace {

// As from somebody who does not wait for what the first one does.
TEST(SignalWatchTest, AnotherSignalOnceTheLoopHasEndedDoesNotKill) {
  absl::StatusOr<std::unique_ptr<vmm::EventLoop>> loop =
      vmm::EventLoop::Create();
  ASSERT_TRUE(loop.ok()) << loop.status();
  {
    const absl::StatusOr<std::unique_ptr<SignalWatch>> watch =
        SignalWatch::Create(**loop);
    ASSERT_TRUE(watch.ok()) << watch.status();
    kill(getpid(), SIGTERM);
    (*loop)->Run();
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGINT);
  }
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGTERM), 0);
}

TEST(SignalWatchTest, SignalStopsTheLoopAndDoesNotKillAfterwards) {
  absl::StatusOr<std::unique_ptr<vmm::EventLoop>> loop =
      vmm::EventLoop::Create();
  ASSERT_TRUE(loop.ok()) << loop.status();
  {
    const absl::StatusOr<std::unique_ptr<SignalWatch>> watch =
        SignalWatch::Create(**loop);
    ASSERT_TRUE(watch.ok()) << watch.status();
    kill(getpid(), SIGTERM);
    (*loop)->Run();
    EXPECT_TRUE((*watch)->signalled());
  }
  // Still here, although SIGTERM is no longer blocked.
  sigset_t mask;
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
}

}  // namespace
}  // namespace nacre
