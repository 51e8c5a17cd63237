#include "nacre/signal_watch.h"

#include <sys/types.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace nacre {
namespace {

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
