// What KVM does with our slots, kicks and vCPUs, seen from within a guest: a
// few instructions each.

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/aarch64/mpidr.h"
#include "vmm/aarch64/testing/code.h"
#include "vmm/aarch64/testing/tiny_guest.h"
#include "vmm/aarch64/vcpu_state.h"
#include "vmm/aarch64/vm_platform.h"
#include "vmm/testing/register_device.h"

namespace nacre::vmm::aarch64 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kReport = 0x0a000000;   // A device that remembers.
constexpr uint64_t kOutside = 0x10000000;  // Neither RAM nor, at first, a
                                           // device; on pages of any size.

class KvmGuestTest : public testing::Test {
 protected:
  void SetUp() override { Start(1); }

  void Start(uint32_t vcpus) {
    absl::StatusOr<std::unique_ptr<TinyGuest>> guest = TinyGuest::Create(vcpus);
    if (!guest.ok()) GTEST_SKIP() << guest.status();
    guest_ = *std::move(guest);
    ASSERT_TRUE(guest_->mmio().Insert(kReport, 8, &report_).ok());
  }

  Outcome Run(const Code& code) {
    guest_->Load(code);
    return guest_->Run();
  }

  std::vector<uint64_t> seen_;
  RegisterDevice report_{
      [this](uint64_t, uint64_t value) { seen_.push_back(value); }};
  std::unique_ptr<TinyGuest> guest_;
};

TEST_F(KvmGuestTest, MmioReachesItsDevice) {
  RegisterDevice device;
  device.value = 7;
  ASSERT_TRUE(guest_->mmio().Insert(kOutside, 0x100, &device).ok());
  EXPECT_EQ(
      Run(Load8(kOutside + 4) + kIncrement + Store8(kOutside + 8) + kDone).kind,
      Outcome::Kind::kStopped);
  EXPECT_EQ(device.value, 8u);
  EXPECT_EQ(device.offset, 8u);
  EXPECT_EQ(device.size, 1u);
  EXPECT_EQ(guest_->counters().mmio_reads, 1u);
  EXPECT_EQ(guest_->counters().mmio_writes, 2u);
}

TEST_F(KvmGuestTest, MmioOf64BitsArrivesWhole) {
  RegisterDevice device;
  ASSERT_TRUE(guest_->mmio().Insert(kOutside, 8, &device).ok());
  Run(Move(1, 0x123456789abc) + Store64(kOutside) + kDone);
  EXPECT_EQ(device.value, 0x123456789abcu);
  EXPECT_EQ(device.size, 8u);
}

TEST_F(KvmGuestTest, NothingThereReadsAllOnes) {
  Run(Load64(kOutside) + Store64(kReport) + kDone);
  EXPECT_THAT(seen_, ElementsAre(~uint64_t{0}));
  EXPECT_EQ(guest_->mmio().unmatched_reads(), 1u);
}

// The syndrome of such an instruction does not say what it loads.
TEST_F(KvmGuestTest, APairOfLoadsFromNothingEndsTheRunAndSaysWhere) {
  const Outcome outcome = Run(LoadPair(kOutside) + kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kGuestFailure);
  EXPECT_THAT(outcome.message, HasSubstr("0x10000000"));
}

TEST_F(KvmGuestTest, AKickSignalsItsEventWithoutAnExit) {
  const EventFd event = EventFd::Create().value();
  ASSERT_TRUE(guest_->vm().io_events().BindKick(kOutside, 2, event).ok());
  Run(Move(1, 3) + Store16(kOutside) + kDone);
  EXPECT_EQ(event.Clear(), 1u);
  EXPECT_EQ(guest_->counters().mmio_writes, 1u);  // To kDone.
}

TEST_F(KvmGuestTest, AnUnboundKickExitsAgain) {
  const EventFd event = EventFd::Create().value();
  IoEvents& io_events = guest_->vm().io_events();
  ASSERT_TRUE(io_events.BindKick(kOutside, 2, event).ok());
  ASSERT_TRUE(io_events.UnbindKick(kOutside, 2, event).ok());
  Run(Store16(kOutside) + kDone);
  EXPECT_EQ(event.Clear(), 0u);
  EXPECT_EQ(guest_->counters().mmio_writes, 2u);
}

TEST_F(KvmGuestTest, AWindowFollowsWhatIsMappedBehindIt) {
  const uint64_t page = HostPageSize();
  Mapping window = Mapping::Anonymous(2 * page, page).value();
  const Fd blob = CreateMemfd("blob", page).value();
  ASSERT_TRUE(
      guest_->vm().memory_slots().AddWindow(kOutside, window.bytes()).ok());
  std::vector<uint64_t> seen;
  RegisterDevice mapper([&](uint64_t, uint64_t value) {
    seen.push_back(value);
    // Between the guest's two reads.
    void* at = mmap(window.data(), page, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED, blob.get(), 0);
    ASSERT_EQ(at, window.data());
    window.data()[1] = 99;
  });
  ASSERT_TRUE(guest_->mmio().Insert(kReport + 8, 8, &mapper).ok());
  window.data()[1] = 11;
  Run(Load8(kOutside + 1) + Store8(kReport + 8) + Load8(kOutside + 1) +
      Store8(kReport) + Move(1, 55) + Store8(kOutside + 2) + kDone);
  EXPECT_THAT(seen, ElementsAre(11));
  EXPECT_THAT(seen_, ElementsAre(99));
  EXPECT_EQ(window.data()[2], 55);  // Of the blob now.
  EXPECT_EQ(guest_->counters().mmio_reads, 0u);
}

// Beyond its file's end here; with real GPUs where memory has run out, or the
// guest's driver has let it go (MSM_MADV_DONTNEED).
TEST_F(KvmGuestTest, AWindowsPageThatCannotBeHadEndsNoMachine) {
  const uint64_t page = HostPageSize();
  Mapping window = Mapping::Anonymous(3 * page, page).value();
  const Fd blob = CreateMemfd("blob", page).value();
  const auto map = [&] {
    ASSERT_EQ(mmap(window.data(), 2 * page, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, blob.get(), 0),
              window.data());
  };
  map();
  ASSERT_TRUE(
      guest_->vm().memory_slots().AddWindow(kOutside, window.bytes()).ok());
  RegisterDevice mapper([&](uint64_t, uint64_t) { map(); });
  ASSERT_TRUE(guest_->mmio().Insert(kReport + 8, 8, &mapper).ok());
  window.data()[0] = 7;
  const Code load = Load8(kOutside + page) + Store8(kReport);
  const Outcome outcome =
      Run(load + Move(1, 5) + Store8(kOutside + page) + load + Load8(kOutside) +
          Store8(kReport) + Store8(kReport + 8) + Move(1, 6) +
          Store8(kOutside + page) + load + kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_THAT(seen_, ElementsAre(0, 5, 7, 6));
}

TEST_F(KvmGuestTest, ARemovedWindowIsGone) {
  Mapping window = Mapping::Anonymous(HostPageSize(), HostPageSize()).value();
  MemorySlots& slots = guest_->vm().memory_slots();
  ASSERT_TRUE(slots.AddWindow(kOutside, window.bytes()).ok());
  ASSERT_TRUE(slots.RemoveWindow(kOutside).ok());
  EXPECT_EQ(slots.RemoveWindow(kOutside).code(), absl::StatusCode::kNotFound);
  Run(Load8(kOutside) + Store8(kReport) + kDone);
  EXPECT_THAT(seen_, ElementsAre(0xff));
}

TEST_F(KvmGuestTest, AWindowCanBeAtTheEndOfTheAddressSpace) {
  const uint64_t page = HostPageSize();
  const uint64_t end = uint64_t{1} << GuestAddressBits(guest_->vm().kvm());
  Mapping window = Mapping::Anonymous(page, page).value();
  MemorySlots& slots = guest_->vm().memory_slots();
  EXPECT_FALSE(slots.AddWindow(end, window.bytes()).ok());
  ASSERT_TRUE(slots.AddWindow(end - page, window.bytes()).ok());
  window.data()[page - 1] = 44;
  Run(Load8(end - 1) + Store8(kReport) + kDone);
  EXPECT_THAT(seen_, ElementsAre(44));
}

TEST_F(KvmGuestTest, MemoryThatWasTakenAwayIsWaitedFor) {
  const uint64_t address = TinyGuest::kMemory + TinyGuest::kMemorySize / 2;
  const uint64_t page = HostPageSize();
  GuestMemory& memory = guest_->memory();
  ASSERT_TRUE(memory.SetGuestAccess(address, page, false).ok());
  guest_->Load(Load8(address) + Store8(kReport) + kDone);
  const Outcome outcome = guest_->Run([&] {
    EXPECT_TRUE(memory.WriteValue<uint8_t>(address, 66).ok());
    EXPECT_TRUE(memory.SetGuestAccess(address, page, true).ok());
    return true;
  });
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_THAT(seen_, ElementsAre(66));
}

TEST_F(KvmGuestTest, MemoryThatStaysAwayEndsTheRun) {
  const uint64_t address = TinyGuest::kMemory + TinyGuest::kMemorySize / 2;
  ASSERT_TRUE(
      guest_->memory().SetGuestAccess(address, HostPageSize(), false).ok());
  const Outcome outcome = Run(Load8(address) + kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kInternalError);
  EXPECT_THAT(outcome.message, HasSubstr("without access"));
}

TEST_F(KvmGuestTest, AGuestThatNeverExitsCanBeStopped) {
  guest_->Load(kSpin);
  Outcome outcome = {Outcome::Kind::kPowerOff, ""};
  std::thread runner([&] { outcome = guest_->Run(); });
  guest_->vcpu(0).RequestStop();
  pthread_kill(runner.native_handle(), SIGUSR1);
  runner.join();
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped);
}

// Documentation/arch/arm64/booting.rst: x0, EL1, DAIF masked, MMU and data
// cache off.
TEST_F(KvmGuestTest, TheFirstVcpuStartsAsLinuxWants) {
  const Code report = Store64(kReport);
  guest_->Load(kArgumentToValue + report + kExceptionLevel + report +
               kExceptionMask + report + kSystemControl + report + kDone);
  ASSERT_TRUE(SetEntry(guest_->vcpu(0), TinyGuest::kMemory, 0x48000000).ok());
  guest_->Run();
  ASSERT_EQ(seen_.size(), 4u);
  EXPECT_EQ(seen_[0], 0x48000000u);
  EXPECT_EQ(seen_[1], 1u << 2);     // EL1.
  EXPECT_EQ(seen_[2], 0xfu << 6);   // D, A, I and F.
  EXPECT_EQ(seen_[3] & 0b101, 0u);  // C and M.
}

TEST_F(KvmGuestTest, PsciPowersOff) {
  EXPECT_EQ(Run(kPowerOff).kind, Outcome::Kind::kPowerOff);
}

TEST_F(KvmGuestTest, PsciResets) {
  EXPECT_EQ(Run(kReset).kind, Outcome::Kind::kReset);
}

// More than a cluster of them, so that the target has two affinity fields.
class KvmSmpGuestTest : public KvmGuestTest {
 protected:
  static constexpr uint32_t kVcpus = 18;
  void SetUp() override { Start(kVcpus); }
};

TEST_F(KvmSmpGuestTest, AVcpuHasTheAffinityThatTheDeviceTreeSays) {
  guest_->Load(kSpin);
  for (uint32_t i = 0; i < kVcpus; ++i) {
    uint64_t mpidr = 0;
    kvm_one_reg request = {};
    request.id = ARM64_SYS_REG(3, 0, 0, 0, 5);
    request.addr = reinterpret_cast<uintptr_t>(&mpidr);
    ASSERT_TRUE(
        guest_->vcpu(i).Control(KVM_GET_ONE_REG, &request, "MPIDR_EL1").ok());
    EXPECT_EQ(mpidr, MpidrOf(i) | 1u << 31) << i;  // RES1.
  }
}

TEST_F(KvmSmpGuestTest, PsciStartsAnotherVcpu) {
  constexpr uint64_t kEntry = TinyGuest::kMemory + 0x1000;
  constexpr uint64_t kStarted = TinyGuest::kMemory + 0x20000;
  constexpr uint64_t kContext = 0x12345678;
  guest_->Write(kEntry, kArgumentToValue + Store64(kReport) + kAffinity +
                            Store64(kReport) + Store32(kStarted) + kSpin);
  const Outcome outcome =
      Run(Move(0, kPsciCpuOn) + Move(1, MpidrOf(kVcpus - 1)) + Move(2, kEntry) +
          Move(3, kContext) + kHypervisorCall + WaitFor(kStarted) + kDone);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kStopped) << outcome.message;
  EXPECT_THAT(seen_, ElementsAre(kContext, MpidrOf(kVcpus - 1) | 1u << 31));
}

}  // namespace
}  // namespace nacre::vmm::aarch64
