// A kernel that refuses a part of the jail, each in turn: there is no jail that
// is half built. Each time in a process of its own, this program started again.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/fd.h"
#include "base/testing/host_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/jail/confine.h"
#include "nacre/jail/process.h"

namespace nacre::jail {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int kResultFd = Process::kFirstFd;

// This program, started again: "FIRST,REPEATEDLY,ERRNO,NAMESPACES". Tells
// "CALLS;FAILED;MESSAGE".
int ConfineWithoutLuck(const std::string& argument) {
  const std::vector<std::string> parts = absl::StrSplit(argument, ',');
  std::string result;
  {
    const HostFault fault({.first = std::stoull(parts[0]),
                           .repeatedly = parts[1] == "1",
                           .error = std::stoi(parts[2])});
    const absl::Status confined =
        Confine({.namespaces = parts[3] == "1", .ioctls = {}});
    result = absl::StrCat(fault.calls(), ";", fault.failed(), ";",
                          std::string(confined.message()));
  }
  return write(kResultFd, result.data(), result.size()) ==
                 static_cast<ssize_t>(result.size())
             ? 0
             : 1;
}

struct Result {
  uint64_t calls = 0;
  std::string failed;   // The first call that did; empty where none.
  std::string message;  // Empty for a jail.
};

std::optional<Result> Confined(uint64_t call, bool repeatedly, int error,
                               bool namespaces) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const int fd = writer.get();
  absl::StatusOr<Process> process =
      Process::Start(absl::StrCat(call, ",", repeatedly ? 1 : 0, ",", error,
                                  ",", namespaces ? 1 : 0),
                     std::span(&fd, 1), STDERR_FILENO, namespaces);
  writer.Reset();
  if (!process.ok()) return std::nullopt;
  const auto end = process->Wait(std::chrono::seconds(30));
  EXPECT_TRUE(end && end->exited && end->code == 0)
      << (end ? Describe(*end) : "does not end");
  std::array<char, 1024> text;
  const ssize_t size = read(reader.get(), text.data(), text.size());
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(text.data(), std::max<ssize_t>(size, 0)),
                     absl::MaxSplits(';', 2));
  Result result;
  EXPECT_TRUE(parts.size() == 3 && absl::SimpleAtoi(parts[0], &result.calls));
  if (parts.size() == 3) {
    result.failed = parts[1];
    result.message = parts[2];
  }
  return result;
}

std::string SystemCall(int number) {
  return absl::StrFormat("syscall(%#x)", number);
}

class ConfineFaultsTest : public testing::Test {
 protected:
  static void FailEachCall(bool namespaces) {
    const auto whole = Confined(UINT64_MAX, false, 0, namespaces);
    if (!whole || !whole->message.empty()) {
      GTEST_SKIP() << "this system gives no namespaces";
    }
    std::cout << whole->calls << " calls" << std::endl;
    ASSERT_GT(whole->calls, 0u);
    std::string last;
    for (uint64_t call = 0; call < whole->calls; ++call) {
      std::string failed;
      for (const int error : kHostErrors) {
        for (const bool repeatedly : {false, true}) {
          if (repeatedly && !MayLast(error)) continue;
          const auto result = Confined(call, repeatedly, error, namespaces);
          ASSERT_TRUE(result);
          failed = result->failed;
          EXPECT_FALSE(failed.empty());
          if (MayFail(failed, last, error)) continue;
          EXPECT_THAT(result->message,
                      AllOf(Not(IsEmpty()), Not(HasSubstr("\n"))))
              << "call " << call << ", " << failed << ", errno " << error;
        }
      }
      last = failed;
    }
  }

 private:
  // What is no part of the jail; `last` is the call before.
  static bool MayFail(const std::string& call, const std::string& last,
                      int error) {
    // Asks whether the kernel has Landlock, then makes something of it.
    if (call == SystemCall(SYS_landlock_create_ruleset)) return last != call;
    // An initramfs, which is covered instead.
    if (call == SystemCall(SYS_pivot_root)) return error == EINVAL;
    // Nothing that an exec could gain: where others than root drop theirs.
    return call == absl::StrFormat("prctl(%#x)", PR_CAPBSET_DROP) &&
           error == EPERM;
  }
};

TEST_F(ConfineFaultsTest, InNamespacesAHalfBuiltJailIsAnError) {
  FailEachCall(/*namespaces=*/true);
}

TEST_F(ConfineFaultsTest, WithoutNamespacesAHalfBuiltJailIsAnError) {
  FailEachCall(/*namespaces=*/false);
}

}  // namespace
}  // namespace nacre::jail

int main(int argc, char** argv) {
  if (argc == 2 && absl::ascii_isdigit(argv[1][0])) {
    // Without the handlers of exit(3), as RunGpuProcess.
    _exit(nacre::jail::ConfineWithoutLuck(argv[1]));
  }
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
