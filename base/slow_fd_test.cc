#include "base/slow_fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "base/fd.h"
#include "base/testing/lingering_socket.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

void AwaitPending(size_t count) {
  while (PendingSlowCloses() != count) std::this_thread::yield();
}

// The first test: nothing stops the thread.
TEST(SlowFdTest, WithoutTheThreadItIsClosedHere) {
  int number = -1;
  {
    const SlowFd file(Fd(open("/dev/null", O_RDWR | O_CLOEXEC)));
    number = file.get();
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
  EXPECT_EQ(PendingSlowCloses(), 0u);
}

TEST(SlowFdTest, NobodyWaitsForTheLastClose) {
  ASSERT_TRUE(StartSlowCloser().ok());
  ASSERT_TRUE(StartSlowCloser().ok());
  LingeringSocket lingering = MakeLingeringSocket();
  const int number = lingering.socket.get();
  { const SlowFd file(std::move(lingering.socket)); }
  CloseElsewhere(Fd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  EXPECT_EQ(PendingSlowCloses(), 2u);
  // Unsent bytes are dropped, and so is the wait.
  lingering.peer.Reset();
  AwaitPending(0);
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST(SlowFdTest, WhatIsAssignedOverGoesTheSameWay) {
  ASSERT_TRUE(StartSlowCloser().ok());
  LingeringSocket lingering = MakeLingeringSocket();
  SlowFd file(std::move(lingering.socket));
  file = SlowFd();
  EXPECT_FALSE(file.valid());
  EXPECT_EQ(PendingSlowCloses(), 1u);
  lingering.peer.Reset();
  AwaitPending(0);
}

TEST(SlowFdTest, WhatIsTakenIsTheTakers) {
  SlowFd file(Fd(open("/dev/null", O_RDWR | O_CLOEXEC)));
  const Fd taken = file.Take();
  EXPECT_TRUE(taken.valid());
  EXPECT_FALSE(file.valid());
}

TEST(SlowFdTest, ARegularFileIsClosedHere) {
  ASSERT_TRUE(StartSlowCloser().ok());
  LingeringSocket lingering = MakeLingeringSocket();
  CloseElsewhere(std::move(lingering.socket));
  Fd file(open(testing::TempDir().c_str(), O_TMPFILE | O_RDWR, 0600));
  if (!file.valid()) GTEST_SKIP() << "no O_TMPFILE in the tests' folder";
  const int number = file.get();
  CloseElsewhere(std::move(file));
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
  EXPECT_EQ(PendingSlowCloses(), 1u);
  lingering.peer.Reset();
  AwaitPending(0);
}

}  // namespace
}  // namespace nacre
