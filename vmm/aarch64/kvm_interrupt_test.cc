// What reaches a guest through KVM's GICv3 and ITS, which the guest programs
// as a driver does (Arm IHI 0069), but for handlers: it polls.

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/errno_status.h"
#include "base/event_fd.h"
#include "base/mapping.h"
#include "base/page_size.h"
#include "base/testing/host_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/testing/code.h"
#include "vmm/aarch64/testing/tiny_guest.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/testing/register_device.h"

namespace nacre::vmm::aarch64 {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kReport = 0x0a000000;
constexpr uint64_t kOutside = 0x10000000;

// Registers, IHI 0069 chapter 12.
constexpr uint64_t kDistributorControl = kGicDistributor.address;
constexpr uint64_t kSharedEnable = kGicDistributor.address + 0x104;
constexpr uint64_t kSharedConfig = kGicDistributor.address + 0xc08;
constexpr uint64_t kRedistributorControl = kGicRedistributors;
constexpr uint64_t kPropertyBase = kGicRedistributors + 0x70;
constexpr uint64_t kPendingBase = kGicRedistributors + 0x78;
constexpr uint64_t kPrivateEnable = kGicRedistributors + 0x10100;
constexpr uint64_t kItsControl = kGicIts.address;
constexpr uint64_t kItsCommandBase = kGicIts.address + 0x80;
constexpr uint64_t kItsCommandWrite = kGicIts.address + 0x88;
constexpr uint64_t kItsDeviceTable = kGicIts.address + 0x100;
constexpr uint64_t kItsCollectionTable = kGicIts.address + 0x108;
constexpr uint64_t kItsTranslater = kGicIts.address + 0x10040;

constexpr uint64_t kEnableGroup1 = 1 << 1;
constexpr uint64_t kEnableLpis = 1;
constexpr uint64_t kEnabled = 1;
constexpr uint64_t kValid = uint64_t{1} << 63;
constexpr uint64_t kPendingTableZero = uint64_t{1} << 62;

constexpr uint32_t kFirstLpi = 8192;

// RAM, in blocks of 64 KiB since tables must be so aligned; code comes first.
constexpr uint64_t Block(uint64_t n) {
  return TinyGuest::kMemory + n * 64 * kKiB;
}
constexpr uint64_t kRegisterList = Block(1);
constexpr uint64_t kDeviceTable = Block(2);
constexpr uint64_t kCollectionTable = Block(3);
constexpr uint64_t kCommands = Block(4);
constexpr uint64_t kTranslationTables = Block(5);
constexpr uint64_t kLpiProperties = Block(6);
constexpr uint64_t kLpiPending = Block(7);

class KvmInterruptTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<TinyGuest>> guest = TinyGuest::Create();
    if (!guest.ok()) GTEST_SKIP() << guest.status();
    guest_ = *std::move(guest);
    ASSERT_TRUE(guest_->mmio().Insert(kReport, 8, &report_).ok());
  }

  // Has the guest write a 32-bit register, or both halves of a 64-bit one.
  void Set32(uint64_t address, uint64_t value) {
    registers_.push_back(address);
    registers_.push_back(value);
  }
  void Set64(uint64_t address, uint64_t value) {
    Set32(address, value & 0xffffffff);
    Set32(address + 4, value >> 32);
  }

  // A guest that sets those registers, runs `code`, and reports `interrupts`
  // that it gets.
  void LoadWaitingGuest(int interrupts, const Code& code = {}) {
    registers_.push_back(0);
    for (size_t i = 0; i < registers_.size(); ++i) {
      ASSERT_TRUE(guest_->memory()
                      .WriteValue(kRegisterList + i * 8, registers_[i])
                      .ok());
    }
    Code waiting = WriteRegisters(kRegisterList) + kEnableInterrupts + code;
    for (int i = 0; i < interrupts; ++i) {
      waiting = waiting + kTakeInterrupt + Store64(kReport);
    }
    guest_->Load(waiting + kDone);
  }

  std::vector<uint64_t> registers_;
  std::vector<uint64_t> seen_;
  RegisterDevice report_{
      [this](uint64_t, uint64_t value) { seen_.push_back(value); }};
  std::unique_ptr<TinyGuest> guest_;
};

TEST_F(KvmInterruptTest, ALineInterruptsTheGuest) {
  constexpr uint32_t kSpi = 5;
  std::unique_ptr<IrqLine> line =
      guest_->vm().irq_router().CreateLine(kSpi).value();
  Set32(kDistributorControl, kEnableGroup1);
  Set32(kSharedConfig, 0b10 << 2 * kSpi);  // An edge.
  Set32(kSharedEnable, 1 << kSpi);
  // Not before the guest has said that it is an edge.
  RegisterDevice ready([&](uint64_t, uint64_t) { line->Trigger(); });
  ASSERT_TRUE(guest_->mmio().Insert(kOutside, 1, &ready).ok());
  LoadWaitingGuest(1, Store8(kOutside));
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(32 + kSpi));
}

TEST_F(KvmInterruptTest, TheVirtualTimerInterruptsTheGuest) {
  constexpr uint32_t kInterrupt = 16 + kVirtualTimerPpi;
  Set32(kDistributorControl, kEnableGroup1);
  Set32(kPrivateEnable, 1 << kInterrupt);
  LoadWaitingGuest(
      1, Move(1, 1000) + kSetTimer + Move(1, kEnabled) + kControlTimer);
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(kInterrupt));
}

// With the ITS set up to turn event kEvent of two devices into the first two
// LPIs.
class KvmMessageTest : public KvmInterruptTest {
 protected:
  static constexpr uint32_t kDevice = 0x18;
  static constexpr uint32_t kOtherDevice = 0x20;
  static constexpr uint32_t kEvent = 3;

  void SetUp() override {
    KvmInterruptTest::SetUp();
    if (guest_ != nullptr) SetUpIts();
  }

  void SetUpIts() {
    const GuestMemory& memory = guest_->memory();
    // Commands, 5.3: MAPC of collection 0 to the first vCPU, then for each
    // device MAPD with 32 events, MAPTI and INV.
    std::vector<uint64_t> commands = {0x09, 0, kValid, 0};
    uint64_t lpi = kFirstLpi;
    uint64_t table = kTranslationTables;
    for (const uint64_t device : {kDevice, kOtherDevice}) {
      commands.insert(commands.end(),
                      {0x08 | device << 32, 4, kValid | table, 0,      //
                       0x0a | device << 32, kEvent | lpi << 32, 0, 0,  //
                       0x0c | device << 32, kEvent, 0, 0});
      ASSERT_TRUE(
          memory.WriteValue<uint8_t>(kLpiProperties + lpi - kFirstLpi, kEnabled)
              .ok());
      ++lpi;
      table += 4 * kKiB;
    }
    for (size_t i = 0; i < commands.size(); ++i) {
      ASSERT_TRUE(memory.WriteValue(kCommands + i * 8, commands[i]).ok());
    }

    Set32(kDistributorControl, kEnableGroup1);
    Set64(kPropertyBase, kLpiProperties | 13);  // 14 bits: 8192 LPIs.
    Set64(kPendingBase, kLpiPending | kPendingTableZero);
    Set32(kRedistributorControl, kEnableLpis);
    Set64(kItsDeviceTable, kDeviceTable | kValid);  // Of one page, as all.
    Set64(kItsCollectionTable, kCollectionTable | kValid);
    Set64(kItsCommandBase, kCommands | kValid);
    Set32(kItsControl, kEnabled);
    Set64(kItsCommandWrite, commands.size() * 8);
  }

  // Loads a guest that gets as many interrupts, triggering `lines` one by one
  // once it is ready and when it got the one before.
  void LoadTriggering(std::vector<MsiLine*> lines) {
    auto next = std::make_shared<size_t>(0);
    trigger_ = std::make_unique<RegisterDevice>(
        [=](uint64_t, uint64_t) { lines[(*next)++]->Trigger(); });
    (void)guest_->mmio().Remove(kOutside);
    ASSERT_TRUE(guest_->mmio().Insert(kOutside, 1, trigger_.get()).ok());
    Code code;
    for (size_t i = 0; i < lines.size(); ++i) {
      code = code + Store8(kOutside) + kTakeInterrupt + Store64(kReport);
    }
    LoadWaitingGuest(0, code);
  }

  std::unique_ptr<MsiLine> CreateLine(uint32_t device) {
    return guest_->vm().irq_router().CreateMsiLine(device).value();
  }

  std::unique_ptr<RegisterDevice> trigger_;
};

TEST_F(KvmMessageTest, AMessageInterruptsTheGuestWithItsSendersInterrupt) {
  std::unique_ptr<MsiLine> line = CreateLine(kDevice);
  std::unique_ptr<MsiLine> other = CreateLine(kOtherDevice);
  LoadTriggering({other.get(), line.get()});
  ASSERT_TRUE(line->SetMessage(kItsTranslater, kEvent).ok());
  ASSERT_TRUE(other->SetMessage(kItsTranslater, kEvent).ok());
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(kFirstLpi + 1, kFirstLpi));
}

TEST_F(KvmMessageTest, AMessageSetBeforeTheVcpusExistCounts) {
  std::unique_ptr<MsiLine> line = CreateLine(kDevice);
  ASSERT_TRUE(line->SetMessage(kItsTranslater, kEvent).ok());
  LoadTriggering({line.get()});
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(kFirstLpi));
}

TEST_F(KvmMessageTest, AChangedMessageTakesEffect) {
  std::unique_ptr<MsiLine> line = CreateLine(kDevice);
  LoadTriggering({line.get()});
  ASSERT_TRUE(line->SetMessage(kItsTranslater, kEvent + 1).ok());
  ASSERT_TRUE(line->SetMessage(kItsTranslater, kEvent).ok());
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(kFirstLpi));
}

// The guest gets its interrupt though KVM has no memory for a route or an
// irqfd: the message is sent, with the ID of its device, by a call.
class KvmRefusedMessageTest : public KvmMessageTest,
                              public testing::WithParamInterface<uint64_t> {};

TEST_P(KvmRefusedMessageTest, InterruptsTheGuestAllTheSame) {
  std::unique_ptr<MsiLine> line = CreateLine(kDevice);
  std::unique_ptr<MsiLine> other = CreateLine(kOtherDevice);
  LoadTriggering({other.get(), line.get()});
  {
    const HostFault fault({.first = 0,
                           .repeatedly = true,
                           .error = ENOMEM,
                           .request = GetParam()});
    for (MsiLine* const refused : {line.get(), other.get()}) {
      EXPECT_EQ(StatusErrno(refused->SetMessage(kItsTranslater, kEvent)),
                ENOMEM);
    }
  }
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(kFirstLpi + 1, kFirstLpi));
}

INSTANTIATE_TEST_SUITE_P(Calls, KvmRefusedMessageTest,
                         testing::Values(KVM_SET_GSI_ROUTING, KVM_IRQFD));

TEST_F(KvmMessageTest, LinesWindowsAndKicksOutliveAReset) {
  const EventFd event = EventFd::Create().value();
  const uint64_t page = HostPageSize();
  Mapping window = Mapping::Anonymous(page, page).value();
  KvmVm& vm = guest_->vm();
  constexpr uint64_t kWindow = kOutside + kMiB;
  constexpr uint64_t kKick = kOutside + 2 * kMiB;
  std::unique_ptr<MsiLine> line = CreateLine(kDevice);
  ASSERT_TRUE(vm.io_events().BindKick(kKick, 2, event).ok());
  ASSERT_TRUE(vm.memory_slots().AddWindow(kWindow, window.bytes()).ok());
  ASSERT_TRUE(line->SetMessage(kItsTranslater, kEvent).ok());
  guest_->Load(kDone);
  guest_->Run();

  ASSERT_TRUE(guest_->Reset().ok());
  window.data()[0] = 33;
  guest_->Load(Store16(kKick) + Load8(kWindow) + Store8(kReport) + kDone);
  guest_->Run();
  EXPECT_EQ(event.Clear(), 1u);
  EXPECT_THAT(seen_, ElementsAre(33));

  ASSERT_TRUE(guest_->Reset().ok());
  LoadTriggering({line.get()});
  guest_->Run();
  EXPECT_THAT(seen_, ElementsAre(33, kFirstLpi));
}

}  // namespace
}  // namespace nacre::vmm::aarch64
