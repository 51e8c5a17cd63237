// What KVM does with our slots and events, seen from within a
// guest: a few bytes of 16-bit code each.

#include "vmm/x86_64/testing/kvm_guest.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "gtest/gtest.h"
#include "vmm/io_device.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/testing/register_device.h"

namespace nacre::vmm::x86_64 {
namespace {
TEST_F(KvmGuestTest, PortsReachTheirDevice) {
  port_.value = 41;
  EXPECT_EQ(Run(InAl(kPort) + kIncAl + OutAl(kPort + 1) + kDone).kind,
            Outcome::Kind::kStopped);
  EXPECT_EQ(port_.value, 42u);
  EXPECT_EQ(port_.offset, 1u);
  EXPECT_EQ(guest_->counters().port_reads, 1u);
  EXPECT_EQ(guest_->counters().port_writes, 2u);
}

TEST_F(KvmGuestTest, StringOutputArrivesWhole) {
  std::vector<uint64_t> seen;
  RegisterDevice device(
      [&](uint64_t, uint64_t value) { seen.push_back(value); });
  ASSERT_TRUE(guest_->ports().Insert(0x30, 1, &device).ok());
  ASSERT_TRUE(
      guest_->memory().Write(0x2000, std::vector<uint8_t>{5, 6, 7}).ok());
  // mov si, 0x2000; mov cx, 3; mov dx, 0x30; cld; rep outsb
  Run(Code{0xbe, 0x00, 0x20, 0xb9, 0x03, 0x00, 0xba, 0x30, 0x00, 0xfc, 0xf3,
           0x6e} +
      kDone);
  EXPECT_EQ(seen, (std::vector<uint64_t>{5, 6, 7}));
}

// Reading stops the vCPU.
class Stopper final : public IoDevice {
 public:
  void Read(uint64_t, std::span<uint8_t> data) override {
    data[0] = 5;
    ++reads;
    vcpu->RequestStop();
  }
  void Write(uint64_t, std::span<const uint8_t>) override {}

  KvmVcpu* vcpu = nullptr;
  int reads = 0;
};

TEST_F(KvmGuestTest, AStopEndsAStringInstruction) {
  Stopper stopper;
  ASSERT_TRUE(guest_->ports().Insert(0x30, 1, &stopper).ok());
  // mov di, 0x2000; mov cx, 3; mov dx, 0x30; cld; rep insb
  stopper.vcpu = &guest_->Load(Code{0xbf, 0x00, 0x20, 0xb9, 0x03, 0x00, 0xba,
                                    0x30, 0x00, 0xfc, 0xf3, 0x6c} +
                               kDone);
  EXPECT_EQ(guest_->Run().kind, Outcome::Kind::kStopped);
  EXPECT_EQ(stopper.reads, 1);
}

TEST_F(KvmGuestTest, MmioReachesItsDevice) {
  RegisterDevice device;
  device.value = 7;
  ASSERT_TRUE(guest_->mmio().Insert(kOutside, 0x100, &device).ok());
  Run(LoadAl(kOutside + 4) + kIncAl + StoreAl(kOutside + 8) + kDone);
  EXPECT_EQ(device.value, 8u);
  EXPECT_EQ(device.offset, 8u);
  EXPECT_EQ(device.size, 1u);
  EXPECT_EQ(guest_->counters().mmio_reads, 1u);
  EXPECT_EQ(guest_->counters().mmio_writes, 1u);
}

TEST_F(KvmGuestTest, NothingThereReadsAllOnes) {
  Run(LoadAl(kOutside) + OutAl(kPort) + kDone);
  EXPECT_EQ(port_.value, 0xffu);
  EXPECT_EQ(guest_->mmio().unmatched_reads(), 1u);
}

TEST_F(KvmGuestTest, AKickSignalsItsEventWithoutAnExit) {
  const EventFd event = EventFd::Create().value();
  ASSERT_TRUE(guest_->vm().io_events().BindKick(kOutside, 2, event).ok());
  Run(MovAx(3) + StoreAx(kOutside) + kDone);
  EXPECT_EQ(event.Clear(), 1u);
  EXPECT_EQ(guest_->counters().mmio_writes, 0u);
}

TEST_F(KvmGuestTest, AnUnboundKickExitsAgain) {
  const EventFd event = EventFd::Create().value();
  IoEvents& io_events = guest_->vm().io_events();
  ASSERT_TRUE(io_events.BindKick(kOutside, 2, event).ok());
  ASSERT_TRUE(io_events.UnbindKick(kOutside, 2, event).ok());
  EXPECT_EQ(io_events.UnbindKick(kOutside, 2, event).code(),
            absl::StatusCode::kNotFound);
  Run(StoreAx(kOutside) + kDone);
  EXPECT_EQ(event.Clear(), 0u);
  EXPECT_EQ(guest_->counters().mmio_writes, 1u);
}

TEST_F(KvmGuestTest, TwoKicksAtOneAddressAreRefused) {
  const EventFd event = EventFd::Create().value();
  const EventFd other = EventFd::Create().value();
  ASSERT_TRUE(guest_->vm().io_events().BindKick(kOutside, 2, event).ok());
  EXPECT_EQ(guest_->vm().io_events().BindKick(kOutside, 2, other).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(KvmGuestTest, AWindowFollowsWhatIsMappedBehindIt) {
  Mapping window = Mapping::Anonymous(2 * kPage, kPage).value();
  const Fd blob = CreateMemfd("blob", kPage).value();
  ASSERT_TRUE(
      guest_->vm().memory_slots().AddWindow(kOutside, window.bytes()).ok());
  std::vector<uint64_t> seen;
  RegisterDevice mapper([&](uint64_t, uint64_t value) {
    seen.push_back(value);
    // Between the guest's two reads.
    void* at = mmap(window.data(), kPage, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED, blob.get(), 0);
    ASSERT_EQ(at, window.data());
    window.data()[1] = 99;
  });
  ASSERT_TRUE(guest_->ports().Insert(0x30, 1, &mapper).ok());
  window.data()[1] = 11;
  Run(LoadAl(kOutside + 1) + OutAl(0x30) + LoadAl(kOutside + 1) + OutAl(kPort) +
      MovAl(55) + StoreAl(kOutside + 2) + kDone);
  EXPECT_EQ(seen, std::vector<uint64_t>{11});
  EXPECT_EQ(port_.value, 99u);
  EXPECT_EQ(window.data()[2], 55);  // Of the blob now.
  EXPECT_EQ(guest_->counters().mmio_reads, 0u);
}

TEST_F(KvmGuestTest, ARemovedWindowIsGone) {
  Mapping window = Mapping::Anonymous(kPage, kPage).value();
  MemorySlots& slots = guest_->vm().memory_slots();
  ASSERT_TRUE(slots.AddWindow(kOutside, window.bytes()).ok());
  ASSERT_TRUE(slots.RemoveWindow(kOutside).ok());
  EXPECT_EQ(slots.RemoveWindow(kOutside).code(), absl::StatusCode::kNotFound);
  Run(LoadAl(kOutside) + OutAl(kPort) + kDone);
  EXPECT_EQ(port_.value, 0xffu);
}

TEST_F(KvmGuestTest, WindowsMustBePagesAndNotOverlap) {
  Mapping window = Mapping::Anonymous(2 * kPage, kPage).value();
  MemorySlots& slots = guest_->vm().memory_slots();
  EXPECT_EQ(slots.AddWindow(kOutside + 1, window.bytes()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(slots.AddWindow(kOutside, window.bytes().first(100)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      slots.AddWindow(TinyGuest::kMemorySize - kPage, window.bytes()).code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(slots.AddWindow(0, {}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(KvmGuestTest, AGuestThatNeverExitsCanBeStopped) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  KvmVcpu& vcpu = guest_->Load(kSpin);
  Outcome outcome = {Outcome::Kind::kPowerOff, ""};
  std::thread runner([&] { outcome = guest_->Run(); });
  vcpu.RequestStop();
  pthread_kill(runner.native_handle(), SIGUSR1);
  runner.join();
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped);
}

}  // namespace
}  // namespace nacre::vmm::x86_64
