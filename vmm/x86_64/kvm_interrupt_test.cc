// What KVM does with our interrupts, seen from within a guest.

#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "base/testing/host_faults.h"
#include "base/thread.h"
#include "gtest/gtest.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/outcome.h"
#include "vmm/x86_64/testing/kvm_guest.h"

namespace nacre::vmm::x86_64 {
namespace {

// With the local APIC on and interrupts enabled: one message, one interrupt.
class KvmInterruptTest : public KvmGuestTest {
 protected:
  static constexpr uint8_t kVector = 0x40;
  static constexpr uint16_t kHandler = 0x3000;
  static constexpr uint64_t kMessageAddress = 0xfee00000;

  // The handler reports by kPort and ends the run.
  void LoadWaitingGuest() {
    ASSERT_TRUE(guest_->memory()
                    .Write(kHandler, MovAl(77) + OutAl(kPort) + kDone)
                    .ok());
    ASSERT_TRUE(
        guest_->memory().WriteValue<uint32_t>(kVector * 4, kHandler).ok());
    KvmVcpu& vcpu = guest_->Load(kSti + kSpin);
    kvm_lapic_state apic = {};
    ASSERT_TRUE(vcpu.Control(KVM_GET_LAPIC, &apic, "KVM_GET_LAPIC").ok());
    const uint32_t software_enabled = 0x1ff;
    std::memcpy(apic.regs + 0xf0, &software_enabled, sizeof(software_enabled));
    ASSERT_TRUE(vcpu.Control(KVM_SET_LAPIC, &apic, "KVM_SET_LAPIC").ok());
  }
};

TEST_F(KvmInterruptTest, AMessageInterruptsTheGuest) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

TEST_F(KvmInterruptTest, ATriggerBeforeTheMessageIsNotDeliveredLater) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  line->Trigger();
  std::unique_ptr<MsiLine> other =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  // A vector whose handler is address 0: would run zeroes, not report.
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector + 1).ok());
  ASSERT_TRUE(other->SetMessage(kMessageAddress, kVector).ok());
  other->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

TEST_F(KvmInterruptTest, AMessageSetBeforeTheVcpusExistCounts) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  LoadWaitingGuest();
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

TEST_F(KvmInterruptTest, AChangedMessageTakesEffect) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector + 1).ok());
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

// As where the guest sends it another interrupt first, which one that is not
// started yet does not take: KVM has it try again as long as it is not.
TEST_F(KvmInterruptTest, AVcpuThatWaitsForItsStartUpWaitsOn) {
  (void)guest_->Load(kDone);
  const std::unique_ptr<KvmVcpu> second =
      KvmVcpu::Create(guest_->vm(), 1).value();
  const HostFault fault(
      {.first = 0, .repeatedly = true, .error = EAGAIN, .request = KVM_RUN});
  Outcome outcome;
  Thread thread = Thread::Start("vcpu", [&] {
                    outcome = second->Run(guest_->ports(), guest_->mmio(),
                                          guest_->counters());
                  }).value();
  while (fault.calls() < 100) std::this_thread::yield();
  second->RequestStop();
  thread.Join();
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
}

// The guest gets its interrupt though KVM has no memory for a route or an
// irqfd.
class KvmRefusedInterruptTest : public KvmInterruptTest,
                                public testing::WithParamInterface<uint64_t> {
 protected:
  void Refuse(MsiLine& line) {
    const HostFault fault({.first = 0,
                           .repeatedly = true,
                           .error = ENOMEM,
                           .request = GetParam()});
    EXPECT_EQ(StatusErrno(line.SetMessage(kMessageAddress, kVector)), ENOMEM);
  }
};

TEST_P(KvmRefusedInterruptTest, ItsMessageIsSentAllTheSame) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  Refuse(*line);
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

TEST_P(KvmRefusedInterruptTest, AndTheNextTimeTheFastWay) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  Refuse(*line);
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  const HostFault slow_way(
      {.first = 0, .error = EIO, .request = KVM_SIGNAL_MSI});
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
  EXPECT_EQ(slow_way.failed(), "");
}

INSTANTIATE_TEST_SUITE_P(Calls, KvmRefusedInterruptTest,
                         testing::Values(KVM_SET_GSI_ROUTING, KVM_IRQFD));

TEST_F(KvmInterruptTest, AChangedMessageIsTheOneSentThoughRefused) {
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector + 1).ok());
  {
    const HostFault fault(
        {.first = 0, .error = ENOMEM, .request = KVM_SET_GSI_ROUTING});
    EXPECT_FALSE(line->SetMessage(kMessageAddress, kVector).ok());
  }
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

// The hypervisor takes each signal before anybody who polls the event wakes.
TEST_F(KvmInterruptTest, AnAttachedEventInterruptsTheGuestAndWakesNobody) {
  const EventFd event = EventFd::Create().value();
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event watched = {.events = EPOLLIN | EPOLLET, .data = {}};
  ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.fd(), &watched), 0);
  ASSERT_TRUE(line->Attach(event));
  event.Signal();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
  EXPECT_EQ(epoll_wait(epoll.get(), &watched, 1, /*timeout=*/0), 0);

  line->Detach(event);
  event.Signal();
  EXPECT_EQ(epoll_wait(epoll.get(), &watched, 1, /*timeout=*/0), 1);
  EXPECT_EQ(event.Clear(), 1u);
}

TEST_F(KvmInterruptTest, AnEventSignalledBeforeItIsAttachedInterrupts) {
  const EventFd event = EventFd::Create().value();
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  LoadWaitingGuest();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  event.Signal();
  ASSERT_TRUE(line->Attach(event));
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
  line->Detach(event);
}

TEST_F(KvmInterruptTest, AttachedEventsOutliveAReset) {
  const EventFd event = EventFd::Create().value();
  std::unique_ptr<MsiLine> line =
      guest_->vm().irq_router().CreateMsiLine(0).value();
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  ASSERT_TRUE(line->Attach(event));
  guest_->Load(kDone);
  guest_->Run();
  ASSERT_TRUE(guest_->Reset().ok());
  LoadWaitingGuest();
  event.Signal();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
  line->Detach(event);
}

// One event cannot be two inputs of a virtual machine.
TEST_F(KvmInterruptTest, AnEventIsAttachedToOneLineAtATime) {
  const EventFd event = EventFd::Create().value();
  IrqRouter& router = guest_->vm().irq_router();
  std::unique_ptr<MsiLine> line = router.CreateMsiLine(0).value();
  std::unique_ptr<MsiLine> other = router.CreateMsiLine(0).value();
  LoadWaitingGuest();
  ASSERT_TRUE(line->Attach(event));
  EXPECT_FALSE(other->Attach(event));
  line->Detach(event);
  EXPECT_TRUE(other->Attach(event));
  other->Detach(event);
}

TEST_F(KvmInterruptTest, LinesWindowsAndKicksOutliveAReset) {
  const EventFd event = EventFd::Create().value();
  Mapping window = Mapping::Anonymous(kPage, kPage).value();
  KvmVm& vm = guest_->vm();
  std::unique_ptr<MsiLine> line = vm.irq_router().CreateMsiLine(0).value();
  ASSERT_TRUE(vm.io_events().BindKick(kOutside, 2, event).ok());
  ASSERT_TRUE(
      vm.memory_slots().AddWindow(kOutside + kPage, window.bytes()).ok());
  ASSERT_TRUE(line->SetMessage(kMessageAddress, kVector).ok());
  guest_->Load(kDone);
  guest_->Run();

  ASSERT_TRUE(guest_->Reset().ok());
  window.data()[0] = 33;
  Run(StoreAx(kOutside) + LoadAl(kOutside + kPage) + OutAl(kPort) + kDone);
  EXPECT_EQ(event.Clear(), 1u);
  EXPECT_EQ(port_.value, 33u);

  ASSERT_TRUE(guest_->Reset().ok());
  LoadWaitingGuest();
  line->Trigger();
  guest_->Run();
  EXPECT_EQ(port_.value, 77u);
}

TEST_F(KvmGuestTest, MsiLinesComeFromALimitedSupplyAndGoBack) {
  IrqRouter& router = guest_->vm().irq_router();
  std::vector<std::unique_ptr<MsiLine>> lines;
  absl::StatusOr<std::unique_ptr<MsiLine>> line = router.CreateMsiLine(0);
  // KVM's table has 4096 entries; file descriptors may run out before.
  while (line.ok() && lines.size() < 200) {
    lines.push_back(*std::move(line));
    line = router.CreateMsiLine(0);
  }
  EXPECT_EQ(lines.size(), 200u);
  lines.clear();
  EXPECT_TRUE(router.CreateMsiLine(0).ok());
}

}  // namespace
}  // namespace nacre::vmm::x86_64
