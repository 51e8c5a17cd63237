// A host that refuses, from a whole virtual machine's making with its GPU to
// its end: RunGuest with each call of the host failing in turn. Whichever it
// is, the guest runs all the same, or a line says why it does not, and nothing
// is left of it.

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>

#include "absl/status/statusor.h"
#include "base/testing/holdings.h"
#include "base/testing/host_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/vm.h"
#include "vmm/machine.h"
#include "vmm/testing/tiny_kernels.h"
#include "vmm/testing/tiny_machine.h"

namespace nacre {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// SIGINT and SIGTERM, which a guest's process takes by itself.
bool BlocksSignals() {
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return sigismember(&blocked, SIGINT) || sigismember(&blocked, SIGTERM);
}

class VmFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/kvm";
    const vmm::MachineConfig machine = vmm::TinyMachine(vmm::ResettingKernel());
    config_.set_vcpus(machine.vcpus);
    config_.set_memory_mib(64);
    config_.mutable_boot()->set_kernel(machine.kernel_path);
    config_.mutable_gpu()->set_device("sim:a660");
    config_.mutable_gpu()->set_window_mib(16);
    config_.mutable_gpu()->set_jail("off");
    // A console that can be watched.
    ASSERT_EQ(pipe(console_.data()), 0);
    ASSERT_EQ(dup2(console_[0], STDIN_FILENO), STDIN_FILENO);
  }

  // A life with a fault, and what failed; it must end as it may.
  std::string Live(const HostFault::Plan& plan) {
    const HostFault fault(plan);
    const absl::StatusOr<VmSummary> summary = RunGuest(config_);
    const std::string failed = fault.failed();
    calls_ = fault.calls();
    if (!summary.ok()) {
      Told(std::string(summary.status().message()), failed);
    } else if (summary->outcome() != "power-off") {
      EXPECT_EQ(summary->exit_code(), kExitInternalError);
      Told(summary->outcome(), failed);
    } else {
      EXPECT_EQ(summary->resets(), 1u) << failed;
    }
    return failed;
  }

  // And nothing is left of it.
  std::string LiveAndGo(const HostFault::Plan& plan) {
    const auto now = [] {
      return Holdings::Now({"/memfd:", " /", "anon_inode"});
    };
    Holdings before = now();
    before.WaitForThreads(1, 200);
    const std::string failed = Live(plan);
    Holdings after = now();
    after.WaitForThreads(before.threads);
    EXPECT_EQ(after, before)
        << failed << ", call " << plan.first << ", errno " << plan.error;
    EXPECT_FALSE(BlocksSignals()) << failed;
    return failed;
  }

  void Told(const std::string& why, const std::string& failed) {
    EXPECT_FALSE(failed.empty()) << why;
    EXPECT_THAT(why, AllOf(Not(IsEmpty()), Not(HasSubstr("\n")))) << failed;
    ++told_;
  }

  VmConfig config_;
  std::array<int, 2> console_ = {};
  uint64_t calls_ = 0;
  int told_ = 0;
};

TEST_F(VmFaultsTest, AGuestRunsOrALineSaysWhyNot) {
  // Twice: what is made once for the process is there then.
  Live({});
  Live({});
  const uint64_t calls = calls_;
  std::cout << calls << " calls in a virtual machine's life" << std::endl;
  ASSERT_GT(calls, 100u);
  ASSERT_EQ(told_, 0);
  const size_t kinds = FailEachCall(
      calls, [this](const HostFault::Plan& plan) { return LiveAndGo(plan); });
  std::cout << kinds << " kinds of calls" << std::endl;
  EXPECT_GT(told_, 100);
}

}  // namespace
}  // namespace nacre
