// What a process of ours is when it starts. Each is this program, started
// again.

#include "nacre/jail/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/fd.h"
#include "gtest/gtest.h"

namespace nacre::jail {
namespace {

TEST(ProcessTest, DescribesItsEnd) {
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("wait", std::span(&fd, 1), fd, false);
  EXPECT_FALSE(process.Wait(std::chrono::milliseconds(0)).has_value());
  process.Kill();
  const auto end = process.Wait(std::chrono::seconds(30));
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(Describe(*end), "signal 9 (Killed)");
  Process other = *Process::Start("nothing", std::span(&fd, 1), fd, false);
  EXPECT_EQ(Describe(*other.Wait(std::chrono::seconds(30))), "exit code 7");
}

// Secrets of the environment stay outside, as does every other descriptor.
TEST(ProcessTest, InheritsWhatItIsGivenAndNoMore) {
  setenv("NACRE_SECRET", "1", 1);
  // Not close-on-exec, nor in the place of what it is given.
  const Fd open_fd(fcntl(STDERR_FILENO, F_DUPFD, 100));
  ASSERT_GE(open_fd.get(), 100);
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("inherited", std::span(&fd, 1), fd, false);
  EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0");
}

// Whoever starts us may have closed those that every program has.
TEST(ProcessTest, StandardStreamsAreOpenWhateverOursAre) {
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("close", std::span(&fd, 1), fd, false);
  EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0");
}

TEST(ProcessTest, ItsFolderIsOfNoOther) {
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("wait", std::span(&fd, 1), fd, false);
  const std::string path = process.folder() + "/status";
  std::string line;
  EXPECT_TRUE(std::getline(std::ifstream(path), line));
  process.Kill();
  ASSERT_TRUE(process.Wait(std::chrono::seconds(30)).has_value());
  EXPECT_FALSE(std::getline(std::ifstream(path), line));
}

// Signals that a parent's thread has blocked would never reach it.
TEST(ProcessTest, BlocksNoSignal) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("mask", std::span(&fd, 1), fd, false);
  EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0");
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

TEST(ProcessTest, HasASessionOfItsOwn) {
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("session", std::span(&fd, 1), fd, false);
  EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0");
}

TEST(ProcessTest, EndsWithItsParent) {
  std::array<int, 2> ends;
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const int fd = writer.get();
  Process parent =
      *Process::Start("parent", std::span(&fd, 1), STDERR_FILENO, false);
  writer.Reset();
  // The child of that process is there, and the last to have the pipe.
  char byte = 0;
  ASSERT_EQ(read(reader.get(), &byte, 1), 1);
  parent.Kill();
  pollfd poll_fd = {reader.get(), POLLIN, 0};
  ASSERT_EQ(poll(&poll_fd, 1, /*timeout=*/30'000), 1) << "it lives on";
  EXPECT_EQ(read(reader.get(), &byte, 1), 0);
}

TEST(ProcessTest, ItsNamespacesAreOfNoOther) {
  const int fd = STDERR_FILENO;
  absl::StatusOr<Process> process =
      Process::Start("wait", std::span(&fd, 1), fd, true);
  if (!process.ok()) GTEST_SKIP() << process.status();
  for (const char* name : {"user", "mnt", "pid", "net", "ipc", "uts"}) {
    struct stat ours = {};
    struct stat its = {};
    ASSERT_EQ(stat(absl::StrCat("/proc/self/ns/", name).c_str(), &ours), 0);
    ASSERT_EQ(stat(absl::StrCat(process->folder(), "/ns/", name).c_str(), &its),
              0)
        << name;
    EXPECT_NE(ours.st_ino, its.st_ino) << name;
  }
}

// Until it is killed, or nobody has done so.
int Linger() {
  alarm(60);
  return pause();
}

int StartWithoutStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(fd);
  const Fd given(eventfd(0, EFD_CLOEXEC));  // In the place of one of them.
  const int fd = given.get();
  absl::StatusOr<Process> process =
      Process::Start("streams", std::span(&fd, 1), fd, false);
  if (!process.ok()) return 2;
  const auto end = process->Wait(std::chrono::seconds(30));
  return end && end->exited ? end->code : 3;
}

int CountStreams() {
  for (int fd = 0; fd <= Process::kFirstFd; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) return 10 + fd;
  }
  return 0;
}

int CountInherited() {
  for (int fd = Process::kFirstFd + 1; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) return 1;
  }
  return std::getenv("NACRE_SECRET") == nullptr ? 0 : 2;
}

int CheckMask() {
  sigset_t mask;
  if (sigprocmask(SIG_SETMASK, nullptr, &mask) != 0) return 2;
  for (const int signal : {SIGTERM, SIGINT, SIGSEGV, SIGUSR1}) {
    if (sigismember(&mask, signal) != 0) return 1;
  }
  return 0;
}

// Somebody with a child that says that it is there.
int BeAParent() {
  const int fd = Process::kFirstFd;
  absl::StatusOr<Process> child =
      Process::Start("child", std::span(&fd, 1), STDERR_FILENO, false);
  close(fd);
  return child.ok() ? Linger() : 2;
}

int BeAChild() { return write(Process::kFirstFd, "", 1) == 1 ? Linger() : 2; }

}  // namespace
}  // namespace nacre::jail

int main(int argc, char** argv) {
  const std::string argument = argc == 2 ? argv[1] : "";
  if (argument == "nothing") return 7;
  if (argument == "wait") return nacre::jail::Linger();
  if (argument == "close") return nacre::jail::StartWithoutStreams();
  if (argument == "streams") return nacre::jail::CountStreams();
  if (argument == "inherited") return nacre::jail::CountInherited();
  if (argument == "mask") return nacre::jail::CheckMask();
  if (argument == "session") return getsid(0) == getpid() ? 0 : 1;
  if (argument == "parent") return nacre::jail::BeAParent();
  if (argument == "child") return nacre::jail::BeAChild();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
