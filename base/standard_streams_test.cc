#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "gtest/gtest.h"

namespace nacre {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(StandardStreamsDeathTest, ClosedOnesAreOpened) {
  EXPECT_EXIT(
      {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        const int free = dup(STDERR_FILENO);  // It is 0, the lowest.
        close(free);
        OpenStandardStreams();
        const bool all = IsOpen(STDIN_FILENO) && IsOpen(STDOUT_FILENO) &&
                         IsOpen(STDERR_FILENO);
        const int next = dup(STDERR_FILENO);
        std::exit(all && free == 0 && next > STDERR_FILENO ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(StandardStreamsTest, OpenOnesStay) {
  const int before = dup(STDERR_FILENO);
  OpenStandardStreams();
  const int after = dup(STDERR_FILENO);
  EXPECT_EQ(after, before + 1);
  close(before);
  close(after);
}

}  // namespace
}  // namespace nacre
