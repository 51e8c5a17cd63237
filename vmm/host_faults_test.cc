// A host that refuses: a virtual machine is made, runs a small guest that
// resets itself once, and goes, with each call of the host failing in turn.
// Whichever it is, the machine runs all the same or says in a line why it does
// not, and nothing of it is left.

#include "base/testing/host_faults.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mapping.h"
#include "base/status_macros.h"
#include "base/testing/holdings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/event_loop.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/machine.h"
#include "vmm/testing/tiny_kernels.h"
#include "vmm/testing/tiny_machine.h"

namespace nacre::vmm {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class HostFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = Kvm::Open().status(); !status.ok()) {
      GTEST_SKIP() << status;
    }
    config_ = TinyMachine(ResettingKernel());
  }

  // A life of a machine that has what a GPU's transport asks for.
  absl::Status Live(const std::function<void()>& before_reboot = [] {}) {
    ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop,
                     EventLoop::Create());
    ASSIGN_OR_RETURN(const Mapping window,
                     Mapping::Anonymous(1 << 20, 2 << 20));
    ASSIGN_OR_RETURN(const EventFd kick, EventFd::Create());
    ASSIGN_OR_RETURN(const std::unique_ptr<Machine> machine,
                     Machine::Create(config_));
    const uint64_t pci = machine->pci_ranges().window64.address;
    RETURN_IF_ERROR(machine->memory_windows().AddWindow(pci, window.bytes()));
    RETURN_IF_ERROR(machine->kick_binder().BindKick(pci + (4 << 20), 2, kick));
    ASSIGN_OR_RETURN(const std::unique_ptr<MsiLine> line,
                     machine->msi_controller().CreateMsiLine(0));
    RETURN_IF_ERROR(line->SetMessage(0xfee00000, 0x20));
    for (const Outcome::Kind kind :
         {Outcome::Kind::kReset, Outcome::Kind::kPowerOff}) {
      const Outcome outcome = machine->Run(*loop);
      if (outcome.kind != kind) {
        return absl::InternalError(outcome.message);
      }
      if (kind == Outcome::Kind::kReset) before_reboot();
    }
    return absl::OkStatus();
  }

  // A life with a fault, and what failed; it must end as it may.
  std::string LiveWith(const HostFault::Plan& plan) {
    const auto now = [] { return Holdings::Now({" /", "anon_inode"}); };
    Holdings before = now();
    before.WaitForThreads(1, 200);
    std::string failed;
    {
      const HostFault fault(plan);
      const absl::Status lived = Live();
      failed = fault.failed();
      if (!lived.ok()) {
        EXPECT_FALSE(failed.empty()) << lived;
        EXPECT_THAT(lived.message(), Not(testing::IsEmpty())) << failed;
        EXPECT_THAT(lived.message(), Not(HasSubstr("\n"))) << failed;
        ++told_;
      }
    }
    Holdings after = now();
    after.WaitForThreads(before.threads);
    EXPECT_EQ(after, before)
        << failed << ", call " << plan.first << ", errno " << plan.error;
    return failed;
  }

  MachineConfig config_;
  int told_ = 0;
};

TEST_F(HostFaultsTest, EachCallMayFail) {
  uint64_t calls = 0;
  {
    const HostFault none({});
    const absl::Status lived = Live();
    ASSERT_TRUE(lived.ok()) << lived;
    calls = none.calls();
  }
  std::cout << calls << " calls in a machine's life\n";
  ASSERT_GT(calls, 50u);
  const size_t kinds = FailEachCall(
      calls, [this](const HostFault::Plan& plan) { return LiveWith(plan); });
  std::cout << kinds << " kinds of calls\n";
  EXPECT_GT(told_, 50);
}

// For a moment: the guest goes on, where a shortage that lasts ends it.
TEST_F(HostFaultsTest, AMomentWithoutMemoryIsSurvived) {
  for (const int error : {ENOMEM, EFAULT}) {
    for (uint64_t first = 0; first < 3; ++first) {
      LiveWith({.first = first, .error = error, .request = KVM_RUN});
    }
    EXPECT_EQ(std::exchange(told_, 0), 0) << error;
    LiveWith(
        {.first = 0, .repeatedly = true, .error = error, .request = KVM_RUN});
    EXPECT_EQ(std::exchange(told_, 0), 1) << error;
  }
}

TEST_F(HostFaultsTest, ARebootSurvivesAMomentWithoutMemory) {
  std::optional<HostFault> fault;
  ASSERT_TRUE(Live([&] { fault.emplace(HostFault::Plan()); }).ok());
  const uint64_t calls = fault->calls();
  fault.reset();
  ASSERT_GT(calls, 20u);
  for (uint64_t call = 0; call < calls; ++call) {
    const absl::Status lived = Live([&] {
      fault.emplace(HostFault::Plan{.first = call, .error = ENOMEM});
    });
    EXPECT_TRUE(lived.ok()) << lived << ", " << fault->failed();
    fault.reset();
  }
}

// A signal, or a vCPU that got its start-up interrupt, is no failure.
TEST_F(HostFaultsTest, AnInterruptedRunGoesOn) {
  for (const int error : {EINTR, EAGAIN}) {
    LiveWith({.first = 0, .error = error, .request = KVM_RUN});
  }
  EXPECT_EQ(told_, 0);
}

// Of some Linuxes, from about 6.14 on, where KVM makes a thread for itself as a
// guest starts.
TEST_F(HostFaultsTest, AHostWithoutAThreadForKvmEndsTheMachine) {
  LiveWith(
      {.first = 0, .repeatedly = true, .error = EAGAIN, .request = KVM_RUN});
  EXPECT_EQ(told_, 1);
  const HostFault fault(
      {.first = 0, .repeatedly = true, .error = EAGAIN, .request = KVM_RUN});
  EXPECT_THAT(std::string(Live().message()),
              AllOf(HasSubstr("KVM_RUN"), HasSubstr("RLIMIT_NPROC")));
}

TEST_F(HostFaultsTest, AnInterruptedCreationIsTriedAgain) {
  LiveWith({.first = 0, .error = EINTR, .request = KVM_CREATE_VM});
  EXPECT_EQ(told_, 0);
}

}  // namespace
}  // namespace nacre::vmm
