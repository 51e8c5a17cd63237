// A process in the hands of somebody else tries what a device never does. Each
// attempt is made in a process of its own, this program started again, and is
// made twice: in the whole jail, and without the system call filter, to see
// what the layers behind it hold.

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/jail/attempts.h"
#include "nacre/jail/confine.h"
#include "nacre/jail/filter.h"
#include "nacre/jail/landlock.h"
#include "nacre/jail/log_relay.h"
#include "nacre/jail/process.h"

namespace nacre::jail {
namespace {

// As an exit code of the process that made the attempt.
constexpr int kCodeOfErrno = 200;
int CodeOf(int error) { return error == 0 ? 0 : kCodeOfErrno; }

constexpr int kResultFd = Process::kFirstFd;

// This program, started again: "attempt,INDEX,FILTER,NAMESPACES".
int MakeAttempt(const std::string& argument) {
  const std::vector<std::string> parts = absl::StrSplit(argument, ',');
  const Attempt& attempt = Attempts()[std::stoul(parts[1])];
  PrepareAttempts();
  const absl::Status confined =
      Confine({.namespaces = parts[3] == "1",
               .ioctls = std::span(&kAllowedIoctl, 1),
               .report =
                   [](int number, uint32_t) {
                     const int report = -number - 1;
                     (void)!write(kResultFd, &report, sizeof(report));
                   },
               .max_descriptors = kAllowedDescriptors,
               .filter = parts[2] == "1"});
  if (!confined.ok()) return 2;
  errno = 0;
  const int64_t result = attempt.make();
  const int error = result == -1 ? errno : 0;
  (void)!write(kResultFd, &error, sizeof(error));
  return CodeOf(error);
}

std::unique_ptr<LogRelay> Relay() {
  return *LogRelay::Create(
      [](const std::string& line) { std::cerr << line << "\n"; });
}

absl::Status ConfineWholly(bool namespaces) {
  return Confine({.namespaces = namespaces,
                  .ioctls = {},
                  .report = nullptr,
                  .max_descriptors = kMaxDescriptors,
                  .filter = HasFilter()});
}

// This program, started again: "limit,NAMESPACES". Whether its limit of threads
// is lower where only its own count, and else as it was.
int CheckThreadLimit(bool namespaces) {
  rlimit before = {};
  rlimit after = {};
  const bool only_its_own = namespaces && ThreadsCountByNamespace();
  if (getrlimit(RLIMIT_NPROC, &before) != 0) return 2;
  if (!ConfineWholly(namespaces).ok()) return 3;
  if (getrlimit(RLIMIT_NPROC, &after) != 0) return 4;
  if (only_its_own) {
    before.rlim_max = std::min<rlim_t>(before.rlim_max, kMaxThreads);
    before.rlim_cur = before.rlim_max;
  }
  return after.rlim_max == before.rlim_max && after.rlim_cur == before.rlim_cur
             ? 0
             : 1;
}

// This program, started again: more threads than it may have.
int MakeThreads() {
  if (!ConfineWholly(/*namespaces=*/true).ok()) return 2;
  for (uint64_t count = 1; count <= 2 * kMaxThreads; ++count) {
    pthread_t thread;
    const auto rest = [](void*) -> void* {
      poll(nullptr, 0, -1);
      return nullptr;
    };
    // As many as a GPU needs there must be.
    if (pthread_create(&thread, nullptr, rest, nullptr) != 0) {
      return count > 32 ? 0 : 3;
    }
  }
  return 1;
}

struct Result {
  Process::End end;
  int number = 0;  // An errno, or the refused call's number negated less one.
};

Result Try(size_t index, bool filter, bool namespaces) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const std::unique_ptr<LogRelay> log = Relay();
  const int fd = writer.get();
  absl::StatusOr<Process> process =
      Process::Start(absl::StrCat("attempt,", index, ",", filter ? 1 : 0, ",",
                                  namespaces ? 1 : 0),
                     std::span(&fd, 1), log->writer(), namespaces);
  writer.Reset();
  if (!process.ok()) {
    ADD_FAILURE() << process.status();
    return {};
  }
  const auto end = process->Wait(std::chrono::seconds(30));
  Result result;
  if (!end) {
    ADD_FAILURE() << "it hangs";
    return result;
  }
  result.end = *end;
  if (read(reader.get(), &result.number, sizeof(result.number)) !=
          sizeof(result.number) &&
      end->exited) {
    ADD_FAILURE() << "no result: " << Describe(*end);
  }
  return result;
}

bool HaveNamespaces() {
  static const bool have = [] {
    const int fd = STDERR_FILENO;
    return Process::Start("nothing", std::span(&fd, 1), fd, true).ok();
  }();
  return have;
}

class JailTest : public testing::TestWithParam<size_t> {
 protected:
  const Attempt& attempt() const { return Attempts()[GetParam()]; }
};

// With and without namespaces the same.
TEST_P(JailTest, FilterRefuses) {
  if (!HasFilter()) GTEST_SKIP() << "a sanitizer's runtime needs other calls";
  for (const bool namespaces : {false, true}) {
    if (namespaces && !HaveNamespaces()) continue;
    const Result result = Try(GetParam(), /*filter=*/true, namespaces);
    if (attempt().in_jail == kKilled) {
      EXPECT_FALSE(result.end.exited);
      // Some kernels do not know the ABI at all.
      EXPECT_THAT(result.end.code, testing::AnyOf(SIGSYS, SIGSEGV));
    } else if (attempt().in_jail == kEnded) {
      EXPECT_TRUE(result.end.exited);
      EXPECT_EQ(result.end.code, kRefusedCallExit);
      EXPECT_LT(result.number, 0) << "reported";
    } else {
      EXPECT_TRUE(result.end.exited) << Describe(result.end);
      EXPECT_EQ(result.number, attempt().in_jail);
    }
  }
}

TEST_P(JailTest, OtherLayersRefuse) {
  if (!attempt().without_filter) GTEST_SKIP() << "only the filter refuses it";
  if (!HaveNamespaces()) GTEST_SKIP() << "this system gives no namespaces";
  const Result result = Try(GetParam(), /*filter=*/false, true);
  // Landlock is asked before some of the other layers.
  if (LandlockVersion() > 0 && result.number == EACCES) return;
  EXPECT_TRUE(result.end.exited) << Describe(result.end);
  EXPECT_EQ(result.number, *attempt().without_filter);
}

// It is there for where there are no namespaces, and files to be seen.
TEST(LandlockTest, ForbidsFilesByItself) {
  if (LandlockVersion() == 0) GTEST_SKIP() << "this system has no Landlock";
  const auto attempt = std::find_if(
      Attempts().begin(), Attempts().end(),
      [](const Attempt& a) { return std::string(a.name) == "OpenTheRoot"; });
  ASSERT_NE(attempt, Attempts().end());
  const auto index = static_cast<size_t>(attempt - Attempts().begin());
  EXPECT_EQ(Try(index, /*filter=*/false, /*namespaces=*/false).number, EACCES);
}

INSTANTIATE_TEST_SUITE_P(Attempts, JailTest,
                         testing::Range(size_t{0}, Attempts().size()),
                         [](const auto& test) {
                           return std::string(Attempts()[test.param].name);
                         });

// What else this user runs is no reason to have no GPU.
TEST(ThreadsTest, AreLimitedWhereOnlyItsOwnCount) {
  const int fd = STDERR_FILENO;
  for (const bool namespaces : {false, true}) {
    if (namespaces && !HaveNamespaces()) continue;
    Process process = *Process::Start(absl::StrCat("limit,", namespaces),
                                      std::span(&fd, 1), fd, namespaces);
    EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0")
        << namespaces;
  }
}

TEST(ThreadsTest, AreNotWithoutEnd) {
  if (geteuid() == 0) GTEST_SKIP() << "root may have any number of threads";
  if (!HaveNamespaces()) GTEST_SKIP() << "this system gives no namespaces";
  if (!ThreadsCountByNamespace()) GTEST_SKIP() << "Linux before 5.14";
  const int fd = STDERR_FILENO;
  Process process = *Process::Start("threads", std::span(&fd, 1), fd, true);
  EXPECT_EQ(Describe(*process.Wait(std::chrono::seconds(30))), "exit code 0");
}

TEST(FilterTest, NamesTheCall) {
  EXPECT_EQ(SystemCallName(SYS_execve), "execve");
  EXPECT_EQ(SystemCallName(99999), "99999");
}

}  // namespace
}  // namespace nacre::jail

int main(int argc, char** argv) {
  const std::string argument = argc == 2 ? argv[1] : "";
  if (argument.rfind("attempt,", 0) == 0) {
    return nacre::jail::MakeAttempt(argument);
  }
  if (argument == "nothing") return 0;
  if (argument.rfind("limit,", 0) == 0) {
    _exit(nacre::jail::CheckThreadLimit(argument == "limit,1"));
  }
  if (argument == "threads") _exit(nacre::jail::MakeThreads());
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
