// A host that refuses, while a GPU in its jail is made, driven and given up,
// with each call that the VMM's process makes failing in turn, and each that
// the GPU's makes. Whichever it is, the GPU works, or is not made and says why,
// or is lost as its driver is told; nothing of it is left, neither here nor as
// a process.

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/descriptor_room.h"
#include "base/testing/holdings.h"
#include "base/testing/host_faults.h"
#include "devices/virtio/testing/fake_driver.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/gpu_process.h"
#include "nacre/jailed_gpu.h"
#include "nacre/testing/gpu_program.h"

namespace nacre {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// With each errno.
class JailedGpuErrnoTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(, JailedGpuErrnoTest, testing::ValuesIn(kHostErrors),
                         [](const testing::TestParamInfo<int>& error) {
                           return std::string(strerrorname_np(error.param));
                         });

Gpu Config() {
  Gpu config;
  config.set_device("sim:a660");
  config.set_window_mib(16);
  config.set_jail("best-effort");
  return config;
}

// One line that says something.
auto IsALine() { return AllOf(Not(IsEmpty()), Not(HasSubstr("\n"))); }

std::unique_ptr<virtio::FakeDriver> MakeDriver(JailedGpu& gpu) {
  const HostFault::Exempt own_memory;
  return std::make_unique<virtio::FakeDriver>(&gpu.device());
}

bool RunsPrograms(virtio::FakeDriver& driver) {
  return driver.Start().ok() && GpuProgram(driver).Run();
}

bool IsInNamespaces(const JailedGpu& gpu) {
  std::error_code error;
  return std::filesystem::read_symlink(gpu.process().folder() + "/ns/net",
                                       error) !=
         std::filesystem::read_symlink("/proc/self/ns/net");
}

bool HasChildren() {
  siginfo_t info = {};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ||
         errno != ECHILD;
}

// Has `life` with each of the calls that it makes failing with `error`, once
// and from then on; it returns their number.
template <typename Life>
void FailEachCall(int error, const Life& life, HostFault::Plan plan = {}) {
  // Twice: what is made once for the process is there then. How many there are
  // varies, as threads wait for one another.
  const uint64_t calls = std::max(life(plan), life(plan));
  // Flushed, so that no child has it to print.
  std::cout << calls << " calls" << std::endl;
  ASSERT_GT(calls, 0u);
  const auto now = [] { return Holdings::Now({"/memfd:", " /"}); };
  Holdings before = now();
  before.WaitForThreads(1, 200);
  plan.error = error;
  for (uint64_t call = 0; call < calls; ++call) {
    for (const bool repeatedly : {false, true}) {
      if (repeatedly && !MayLast(error)) continue;
      plan.first = call;
      plan.repeatedly = repeatedly;
      life(plan);
      Holdings after = now();
      after.WaitForThreads(before.threads);
      ASSERT_EQ(after, before) << "call " << call;
      ASSERT_FALSE(HasChildren()) << "call " << call;
    }
  }
}

TEST_P(JailedGpuErrnoTest, OneIsMadeOrSaysWhyNot) {
  const bool has_namespaces = IsInNamespaces(**JailedGpu::Create(Config()));
  FailEachCall(GetParam(), [has_namespaces](const HostFault::Plan& plan) {
    std::string failed;
    uint64_t calls = 0;
    absl::StatusOr<std::unique_ptr<JailedGpu>> gpu;
    {
      const HostFault fault(plan);
      gpu = JailedGpu::Create(Config());
      failed = fault.failed();
      calls = fault.calls();
    }
    if (!gpu.ok()) {
      EXPECT_FALSE(failed.empty()) << gpu.status();
      EXPECT_THAT(std::string(gpu.status().message()), IsALine());
      return calls;
    }
    // Bad luck is no reason for a weaker jail.
    if (!plan.repeatedly) {
      EXPECT_EQ(IsInNamespaces(**gpu), has_namespaces) << failed;
    }
    EXPECT_TRUE(RunsPrograms(*MakeDriver(**gpu))) << failed;
    return calls;
  });
}

TEST(JailedGpuFaultsTest, AUserWithTooManyProcessesHearsOfTheLimit) {
  const HostFault fault(
      {.first = 0, .repeatedly = true, .error = EAGAIN, .request = SYS_clone});
  const absl::Status status = JailedGpu::Create(Config()).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("RLIMIT_NPROC"));
}

TEST_P(JailedGpuErrnoTest, OneThatIsMadeRunsProgramsOrIsLost) {
  FailEachCall(GetParam(), [](const HostFault::Plan& plan) {
    const auto gpu = *JailedGpu::Create(Config());
    const auto driver = MakeDriver(*gpu);
    std::string failed;
    uint64_t calls = 0;
    {
      const HostFault fault(plan);
      if (!RunsPrograms(*driver)) {
        EXPECT_FALSE(fault.failed().empty());
      }
      // While the host is as it is.
      driver->Reset();
      failed = fault.failed();
      calls = fault.calls();
    }
    const bool runs = RunsPrograms(*driver);
    driver->Reset();
    const GpuSummary summary = gpu->Summary();
    EXPECT_NE(runs, summary.has_failure()) << failed;
    if (!runs) {
      EXPECT_THAT(summary.failure(), IsALine()) << failed;
    }
    return calls;
  });
}

TEST(JailedGpuFaultsTest, AQuestionThatCannotBeAskedLosesNothing) {
  const auto gpu = *JailedGpu::Create(Config());
  const auto driver = MakeDriver(*gpu);
  {
    const HostFault fault({.first = 0, .error = ETOOMANYREFS});
    EXPECT_FALSE(gpu->device().AcceptsFeatures(0));
    EXPECT_EQ(fault.failed(), "sendmsg(0)");
  }
  EXPECT_TRUE(RunsPrograms(*driver));
}

TEST_P(JailedGpuErrnoTest, OneThatIsGivenUpIsGone) {
  FailEachCall(GetParam(), [](const HostFault::Plan& plan) {
    auto gpu = *JailedGpu::Create(Config());
    auto driver = MakeDriver(*gpu);
    EXPECT_TRUE(RunsPrograms(*driver));
    const HostFault fault(plan);
    driver.reset();
    gpu->Summary();
    gpu.reset();
    return fault.calls();
  });
}

TEST_P(JailedGpuErrnoTest, AProcessThatCannotStartSaysSo) {
  FailEachCall(GetParam(),
               [](const HostFault::Plan& plan) {
                 const HostFault fault(plan);
                 const auto gpu = JailedGpu::Create(Config());
                 if (!gpu.ok()) {
                   EXPECT_THAT(std::string(gpu.status().message()),
                               AllOf(IsALine(), HasSubstr("exit code 127")))
                       << fault.failed();
                 }
                 return fault.calls();
               },
               {.in_children = true});
}

// The fault of a GPU's process, which is this program with none of its memory:
// "FIRST,REPEATEDLY,ERRNO" in a variable of a kind that it inherits.
constexpr char kFaultVariable[] = "GLOG_nacre_fault";

std::optional<HostFault> FaultOfThisProcess() {
  const char* const text = std::getenv(kFaultVariable);
  if (text == nullptr) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  return std::optional<HostFault>(
      std::in_place, HostFault::Plan{.first = std::stoull(parts[0]),
                                     .repeatedly = parts[1] == "1",
                                     .error = std::stoi(parts[2])});
}

absl::StatusOr<std::unique_ptr<JailedGpu>> CreateInABadProcess(
    const Gpu& config, uint64_t call, bool repeatedly, int error) {
  setenv(kFaultVariable,
         absl::StrCat(call, ",", repeatedly ? 1 : 0, ",", error).c_str(),
         /*overwrite=*/1);
  auto gpu = JailedGpu::Create(config);
  unsetenv(kFaultVariable);
  return gpu;
}

// Each part of a jail, and whether it may be missing:
// jail/confine_faults_test.
TEST(JailedGpuFaultsTest, AProcessThatCannotConfineItselfHasNoDevice) {
  for (const char* const jail : {"best-effort", "required"}) {
    Gpu config = Config();
    config.set_jail(jail);
    for (const bool repeatedly : {false, true}) {
      // Its first call, with namespaces and without.
      const auto gpu = CreateInABadProcess(config, 0, repeatedly, EPERM);
      EXPECT_THAT(std::string(gpu.status().message()), IsALine()) << jail;
    }
  }
}

// A GPU whose process has the fault. Whether all went well.
bool LiveInABadProcess(uint64_t call, bool repeatedly, int error) {
  const auto gpu = CreateInABadProcess(Config(), call, repeatedly, error);
  if (!gpu.ok()) {
    EXPECT_THAT(std::string(gpu.status().message()), IsALine());
    return false;
  }
  const auto driver = MakeDriver(**gpu);
  constexpr int kPrograms = 2;
  int succeeded = 0;
  for (int program = 0; program < kPrograms; ++program) {
    succeeded += RunsPrograms(*driver) ? 1 : 0;
    driver->Reset();
  }
  const GpuSummary summary = (*gpu)->Summary();
  if (summary.has_failure()) {
    // Its own end, and not that we killed it at the first sign of that.
    EXPECT_EQ(summary.failure(), "exit code 1");
  } else if (!repeatedly) {
    EXPECT_GE(succeeded, kPrograms - 1) << "call " << call;
  }
  return succeeded == kPrograms && !summary.has_failure();
}

TEST_P(JailedGpuErrnoTest, AProcessWithoutLuckIsLostOrGoesOn) {
  const auto now = [] { return Holdings::Now({"/memfd:", " /"}); };
  LiveInABadProcess(UINT64_MAX, false, 0);
  Holdings before = now();
  before.WaitForThreads(1, 200);
  // Until there are so many calls that it makes all of them, which is seen by
  // an errno that lasts.
  constexpr int kEnough = 10;
  uint64_t call = 0;
  for (int well = 0; well < kEnough; ++call) {
    bool went_well = true;
    for (const bool repeatedly : {false, true}) {
      const int error = repeatedly && !MayLast(GetParam()) ? EIO : GetParam();
      went_well &= LiveInABadProcess(call, repeatedly, error);
      Holdings after = now();
      after.WaitForThreads(before.threads);
      ASSERT_EQ(after, before) << "call " << call;
      ASSERT_FALSE(HasChildren()) << "call " << call;
    }
    well = went_well ? well + 1 : 0;
  }
  std::cout << call << " calls" << std::endl;
  EXPECT_GT(call, 20u + kEnough);
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  if (argc == 2) {
    if (const auto options = nacre::ParseGpuProcessArgument(argv[1])) {
      const auto fault = nacre::FaultOfThisProcess();
      nacre::RunGpuProcess(*options);
    }
  }
  // As nacre: what others of this user have under way in sockets counts, too.
  nacre::MakeRoomForDescriptors();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
