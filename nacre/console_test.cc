#include "nacre/console.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/errno_status.h"
#include "base/fd.h"
#include "base/testing/host_faults.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

class ConsoleTest : public testing::Test {
 protected:
  ConsoleTest() : loop_(*vmm::EventLoop::Create()) {}

  std::unique_ptr<Console> Connect(int fd) {
    absl::StatusOr<std::unique_ptr<Console>> console =
        Console::Create(fd, *loop_, [this](std::span<const uint8_t> bytes) {
          received_.append(bytes.begin(), bytes.end());
          if (received_.find('!') != std::string::npos) loop_->Stop();
          return bytes.size();
        });
    EXPECT_TRUE(console.ok()) << console.status();
    return *std::move(console);
  }

  std::unique_ptr<vmm::EventLoop> loop_;
  std::string received_;
};

TEST_F(ConsoleTest, PipeGoesToTheGuestUnchanged) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const Fd reader(fds[0]), writer(fds[1]);
  const std::unique_ptr<Console> console = Connect(reader.get());
  ASSERT_EQ(write(writer.get(), "\x01x hi!", 6), 6);
  loop_->Run();
  EXPECT_EQ(received_, "\x01x hi!");
}

TEST_F(ConsoleTest, TerminalIsRawMeanwhileAndCtrlAXStops) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd master_fd(master), slave_fd(slave);
  {
    const std::unique_ptr<Console> console = Connect(slave);
    termios raw;
    ASSERT_EQ(tcgetattr(slave, &raw), 0);
    EXPECT_EQ(raw.c_lflag & (ICANON | ECHO | ISIG), 0u);
    ASSERT_EQ(write(master, "ab\x01x", 4), 4);
    loop_->Run();  // Ends by the escape: there is no '!'.
    EXPECT_EQ(received_, "ab");
  }
  termios restored;
  ASSERT_EQ(tcgetattr(slave, &restored), 0);
  EXPECT_NE(restored.c_lflag & (ICANON | ECHO | ISIG), 0u);
}

// Else its user could do nothing at all: Ctrl-C goes to the guest.
TEST_F(ConsoleTest, ATerminalThatCannotBeWatchedIsAnErrorAndAsItWas) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd master_fd(master), slave_fd(slave);
  termios before;
  ASSERT_EQ(tcgetattr(slave, &before), 0);
  for (const int error : {ENOMEM, ENOSPC}) {
    // Behind the three of opening it again.
    const HostFault fault({.first = 3, .error = error});
    EXPECT_EQ(
        StatusErrno(Console::Create(slave, *loop_,
                                    [](auto bytes) { return bytes.size(); })
                        .status()),
        error);
    EXPECT_EQ(fault.failed(), "epoll_ctl(0)");
  }
  termios after;
  ASSERT_EQ(tcgetattr(slave, &after), 0);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
  EXPECT_EQ(after.c_iflag, before.c_iflag);
}

// As two that were started with one standard input: what is there wakes both,
// and is gone when the second one reads. Hangs where that one waits for more.
class SharedConsoleTest : public ConsoleTest {
 protected:
  // `fd` and another descriptor of the same are read, `text` arrives.
  void Share(int fd, int writer, const std::string& text) {
    const Fd other(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    const std::unique_ptr<Console> first = Connect(fd);
    const std::unique_ptr<Console> second = Connect(other.get());
    ASSERT_EQ(write(writer, text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    loop_->Run();
    EXPECT_EQ(received_, text);
    // Those who started us, and other programs, go on waiting for input.
    EXPECT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  }
};

TEST_F(SharedConsoleTest, APipe) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const Fd reader(fds[0]), writer(fds[1]);
  Share(reader.get(), writer.get(), "!");
}

TEST_F(SharedConsoleTest, ASocket) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const Fd reader(fds[0]), writer(fds[1]);
  Share(reader.get(), writer.get(), "!");
}

TEST_F(SharedConsoleTest, ATerminal) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd master_fd(master), slave_fd(slave);
  Share(slave, master, "!");
}

// Another user's, for instance.
TEST_F(SharedConsoleTest, APipeThatCannotBeOpenedAgain) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  const Fd reader(fds[0]), writer(fds[1]);
  std::unique_ptr<Console> console;
  {
    const HostFault fault({.first = 1, .error = EACCES});
    console = Connect(reader.get());
    EXPECT_EQ(fault.failed(), "open(0)");
  }
  ASSERT_EQ(write(writer.get(), "hi!", 3), 3);
  loop_->Run();
  EXPECT_EQ(received_, "hi!");
}

TEST_F(ConsoleTest, InputWithoutAnEndIsNotNeeded) {
  const Fd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_NE(Connect(file.get()), nullptr);
}

}  // namespace
}  // namespace nacre
