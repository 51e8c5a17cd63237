// A GPU's process in the hands of somebody else: what the process that runs a
// device can still do, on the thread that answers its guest. jail_test tries
// the same of the jail alone, and each of its layers.

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/descriptor_room.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/gpu_process.h"
#include "nacre/jail/attempts.h"
#include "nacre/jail/confine.h"
#include "nacre/jailed_gpu.h"

namespace nacre {
namespace {

using jail::Attempt;
using testing::AnyOf;
using testing::StartsWith;

// An attempt's index, in a variable of a kind that the GPU's process inherits.
constexpr char kAttemptVariable[] = "GLOG_nacre_attempt";

// How the GPU's process ends after an attempt that did not end it: this and the
// errno, 0 for success.
constexpr int kExitOfErrno = 100;

Gpu Config() {
  Gpu config;
  config.set_device("sim:a660");
  config.set_window_mib(16);
  config.set_jail("best-effort");
  return config;
}

// In the GPU's process: makes the attempt when the device first logs something,
// which it does of a request that it refuses.
class Attacker final : public google::LogSink {
 public:
  explicit Attacker(const Attempt& attempt) : attempt_(attempt) {
    google::AddLogSink(this);
  }

 private:
  void send(google::LogSeverity, const char*, const char*, int, const tm*,
            const char*, size_t) override {
    errno = 0;
    const int64_t result = attempt_.make();
    _exit(kExitOfErrno + (result == -1 ? errno : 0));
  }

  const Attempt& attempt_;
};

// What is left of a GPU once its process has made `attempt`.
std::string FailureAfter(size_t attempt) {
  setenv(kAttemptVariable, absl::StrCat(attempt).c_str(), /*overwrite=*/1);
  const auto gpu = JailedGpu::Create(Config());
  unsetenv(kAttemptVariable);
  if (!gpu.ok()) return std::string(gpu.status().message());
  virtio::FakeDriver driver(&(*gpu)->device());
  EXPECT_TRUE(driver.Start().ok());
  constexpr auto kNoCommand = static_cast<virtio_gpu::wire::Type>(0x7777);
  const auto answer = driver.TryCall(0, virtio_gpu::Request(kNoCommand).bytes(),
                                     sizeof(virtio_gpu::wire::CtrlHeader));
  EXPECT_FALSE(answer.has_value());
  EXPECT_TRUE(driver.needs_reset());
  return (*gpu)->Summary().failure();
}

// All, but what depends on a limit that is jail_test's own.
std::vector<size_t> AttemptsHere() {
  std::vector<size_t> attempts;
  for (size_t i = 0; i < jail::Attempts().size(); ++i) {
    if (jail::Attempts()[i].name == std::string("HaveMoreDescriptors"))
      continue;
    attempts.push_back(i);
  }
  return attempts;
}

// A simulated GPU's process has no ioctl, jail_test has one.
int ExpectedOf(const Attempt& attempt) {
  if (attempt.name == std::string("AnIoctlOfOurs")) return jail::kEnded;
  return attempt.in_jail;
}

// What the VMM's process says of some of those that are refused.
std::optional<std::string> CallOf(const Attempt& attempt) {
  static const std::map<std::string, const char*> calls = {
      {"MakeAFolder", "mkdirat"},
      {"MakeASocket", "socket"},
      {"MakeALocalSocket", "socket"},
      {"AnIoctlOfOurs", "ioctl"},
      {"AskADevice", "ioctl"},
      {"AnotherIoctlOfTheNode", "ioctl"},
      {"MakeAFileBlockByFlag", "fcntl"},
      {"Ptrace", "ptrace"},
      {"ReadAnothersMemory", "process_vm_readv"},
      {"Execute", "execve"},
      {"ExecuteADescriptor", "execveat"},
      {"Fork", "clone"},
      {"NewNamespaces", "unshare"},
      {"SignalAnother", "kill"},
      {"SignalByThread", "tgkill"},
      {"ExecutableMemory", "mmap"},
      {"MemoryThatBecomesExecutable", "mprotect"},
      {"Mount", "mount"},
      {"ReplaceTheHandler", "rt_sigaction"},
  };
  const auto call = calls.find(attempt.name);
  if (call == calls.end()) return std::nullopt;
  return call->second;
}

class JailedGpuAttemptsTest : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(, JailedGpuAttemptsTest,
                         testing::ValuesIn(AttemptsHere()),
                         [](const auto& test) {
                           return std::string(
                               jail::Attempts()[test.param].name);
                         });

TEST_P(JailedGpuAttemptsTest, AreRefusedAndTold) {
  if (!jail::HasFilter()) {
    GTEST_SKIP() << "a sanitizer's runtime needs other calls";
  }
  const Attempt& attempt = jail::Attempts()[GetParam()];
  const int expected = ExpectedOf(attempt);
  const std::string failure = FailureAfter(GetParam());
  if (expected == jail::kEnded) {
    const std::string refused = "its filter refused the system call ";
    EXPECT_THAT(failure, StartsWith(refused));
    if (const auto call = CallOf(attempt)) {
      EXPECT_EQ(failure, refused + *call);
    }
  } else if (expected == jail::kKilled) {
    // Some kernels do not know the ABI at all.
    EXPECT_THAT(failure,
                AnyOf(StartsWith("signal 31 "), StartsWith("signal 11 ")));
  } else {
    EXPECT_EQ(failure, absl::StrCat("exit code ", kExitOfErrno + expected));
  }
}

// The lines of a file like /proc/self/status: "Name:\tvalue".
std::map<std::string, std::string> ReadStatus(const std::string& folder) {
  std::map<std::string, std::string> status;
  std::ifstream file(folder + "/status");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(":\t");
    if (colon == std::string::npos) continue;
    status[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return status;
}

// What proc(5) has of threads, as these are attributes of theirs.
void ExpectConfined(const std::string& folder) {
  auto status = ReadStatus(folder);
  auto ours = ReadStatus("/proc/self");
  SCOPED_TRACE(absl::StrCat("thread ", status["Name"]));
  EXPECT_EQ(status["NoNewPrivs"], "1");
  const std::string none(16, '0');
  for (const char* const set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
    EXPECT_EQ(status[set], none) << set;
  }
  // Only root, which it was in a namespace of its own, can give these up.
  if (absl::EndsWith(status["NSpid"], "\t1")) {
    EXPECT_EQ(status["CapBnd"], none);
  }
  if (!jail::HasFilter()) return;
  EXPECT_EQ(status["Seccomp"], "2");
  // This process may have some itself. Since Linux 5.9.
  int filters = 0;
  int our_filters = 0;
  if (absl::SimpleAtoi(status["Seccomp_filters"], &filters) &&
      absl::SimpleAtoi(ours["Seccomp_filters"], &our_filters)) {
    EXPECT_EQ(filters, our_filters + 1);
  }
}

TEST(JailedGpuConfinementTest, IsThatOfEachThread) {
  const auto gpu = *JailedGpu::Create(Config());
  virtio::FakeDriver driver(&gpu->device());
  ASSERT_TRUE(driver.Start().ok());
  const std::string folder = gpu->process().folder();
  ExpectConfined(folder);
  // A sanitizer's runtime may have a thread of its own from the beginning.
  if (!jail::HasFilter()) return;
  size_t threads = 0;
  for (const auto& thread :
       std::filesystem::directory_iterator(folder + "/task")) {
    ExpectConfined(thread.path());
    ++threads;
  }
  EXPECT_GT(threads, 1u);
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  if (argc == 2) {
    if (const auto options = nacre::ParseGpuProcessArgument(argv[1])) {
      std::optional<nacre::Attacker> attacker;
      if (const char* index = std::getenv(nacre::kAttemptVariable)) {
        nacre::jail::PrepareAttempts();
        attacker.emplace(nacre::jail::Attempts()[std::stoul(index)]);
      }
      nacre::RunGpuProcess(*options);
    }
  }
  // As nacre: what others of this user have under way in sockets counts, too.
  nacre::MakeRoomForDescriptors();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
