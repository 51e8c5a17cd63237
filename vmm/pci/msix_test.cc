#include "vmm/pci/msix.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/event_fd.h"
#include "gtest/gtest.h"
#include "vmm/pci/testing/fake_hypervisor.h"

namespace nacre::vmm {
namespace {

constexpr uint16_t kEnable = Msix::kEnable;
constexpr uint16_t kFunctionMask = Msix::kFunctionMask;
constexpr uint16_t kVectors = 70;  // Pending bits take two words.

class MsixTest : public ::testing::Test {
 protected:
  MsixTest() : msix_(*Msix::Create(&controller_, 8, kVectors)) {}

  template <typename T>
  void WriteTable(uint64_t offset, T value) {
    msix_->WriteTable(offset, AsBytes(value));
  }
  template <typename T>
  T ReadTable(uint64_t offset) {
    T value;
    msix_->ReadTable(offset, AsWritableBytes(value));
    return value;
  }
  // As Linux does it: the message, then the mask bit.
  void Program(uint16_t vector, uint32_t data, bool masked = false) {
    WriteTable<uint32_t>(vector * uint64_t{16}, 0xfee0'1000);
    WriteTable<uint32_t>(vector * uint64_t{16} + 4, 0);
    WriteTable<uint32_t>(vector * uint64_t{16} + 8, data);
    SetMask(vector, masked);
  }
  void SetMask(uint16_t vector, bool masked) {
    WriteTable<uint32_t>(vector * uint64_t{16} + 12, masked ? 1 : 0);
  }
  bool Pending(uint16_t vector) {
    uint64_t word = 0;
    msix_->ReadPending(vector / 64 * uint64_t{8}, AsWritableBytes(word));
    return (word >> (vector % 64) & 1) != 0;
  }

  FakeMsiController controller_;
  std::unique_ptr<Msix> msix_;
};

TEST_F(MsixTest, SendsTheProgrammedMessage) {
  msix_->SetControl(kEnable);
  Program(1, 41);
  Program(2, 42);
  msix_->Trigger(2);
  EXPECT_EQ(controller_.count(42), 1);
  EXPECT_EQ(controller_.count(41), 0);
}

TEST_F(MsixTest, LinesCarryTheRequesterId) {
  EXPECT_EQ(controller_.requesters(), std::vector<uint32_t>(kVectors, 8));
}

TEST_F(MsixTest, EveryVectorIsMaskedAtFirst) {
  EXPECT_EQ(ReadTable<uint32_t>(12), 1u);
  EXPECT_EQ(ReadTable<uint32_t>((kVectors - 1) * uint64_t{16} + 12), 1u);
}

TEST_F(MsixTest, SendsNothingWhileDisabled) {
  Program(0, 40);
  msix_->Trigger(0);
  msix_->SetControl(kEnable);
  EXPECT_EQ(controller_.total(), 0);
  msix_->Trigger(0);
  EXPECT_EQ(controller_.count(40), 1);
}

// PCI 3.0, 6.8.2.9: the pending bit, and the message when unmasked.
TEST_F(MsixTest, MaskedVectorIsPendingAndSentOnceWhenUnmasked) {
  msix_->SetControl(kEnable);
  Program(65, 45, /*masked=*/true);
  msix_->Trigger(65);
  msix_->Trigger(65);
  EXPECT_EQ(controller_.total(), 0);
  EXPECT_TRUE(Pending(65));
  EXPECT_FALSE(Pending(64));
  SetMask(65, false);
  EXPECT_EQ(controller_.count(45), 1);
  EXPECT_FALSE(Pending(65));
}

TEST_F(MsixTest, FunctionMaskHoldsBackEveryVector) {
  msix_->SetControl(kEnable | kFunctionMask);
  Program(0, 40);
  Program(1, 41);
  msix_->Trigger(0);
  msix_->Trigger(1);
  EXPECT_EQ(controller_.total(), 0);
  EXPECT_TRUE(Pending(0));
  msix_->SetControl(kEnable);
  EXPECT_EQ(controller_.count(40), 1);
  EXPECT_EQ(controller_.count(41), 1);
}

TEST_F(MsixTest, VectorMaskHoldsWhenTheFunctionMaskGoes) {
  msix_->SetControl(kEnable | kFunctionMask);
  Program(0, 40, /*masked=*/true);
  msix_->Trigger(0);
  msix_->SetControl(kEnable);
  EXPECT_EQ(controller_.total(), 0);
  EXPECT_TRUE(Pending(0));
}

// Each message is a system call for the hypervisor.
TEST_F(MsixTest, ProgramsTheHypervisorOncePerMessage) {
  msix_->SetControl(kEnable | kFunctionMask);
  Program(0, 40);
  Program(1, 41);
  EXPECT_EQ(controller_.set_messages(), 0);
  msix_->SetControl(kEnable);
  EXPECT_EQ(controller_.set_messages(), 2);
  SetMask(0, true);
  SetMask(0, false);
  EXPECT_EQ(controller_.set_messages(), 2);
}

TEST_F(MsixTest, MessageChangedWhileMaskedIsTheOneSent) {
  msix_->SetControl(kEnable);
  Program(0, 40);
  SetMask(0, true);
  msix_->Trigger(0);
  Program(0, 50);
  EXPECT_EQ(controller_.count(40), 0);
  EXPECT_EQ(controller_.count(50), 1);
}

TEST_F(MsixTest, TableReadsBackWhatWasWritten) {
  WriteTable<uint64_t>(16, 0x1234'5678'9abc'def0);
  WriteTable<uint64_t>(24, 0xffff'fffe'0000'0007);
  EXPECT_EQ(ReadTable<uint32_t>(16), 0x9abc'def0u);
  EXPECT_EQ(ReadTable<uint32_t>(20), 0x1234'5678u);
  EXPECT_EQ(ReadTable<uint32_t>(24), 7u);
  EXPECT_EQ(ReadTable<uint32_t>(28), 0u);  // Only the mask bit is kept.
}

TEST_F(MsixTest, ResetForgetsEverything) {
  msix_->SetControl(kEnable);
  Program(0, 40);
  Program(1, 41, /*masked=*/true);
  msix_->Trigger(1);
  msix_->Reset();
  msix_->Trigger(0);
  EXPECT_EQ(controller_.total(), 0);
  EXPECT_FALSE(Pending(1));
  EXPECT_EQ(ReadTable<uint32_t>(0), 0u);
  EXPECT_EQ(ReadTable<uint32_t>(12), 1u);
}

// A driver that waits for an interrupt does not touch the table meanwhile.
TEST_F(MsixTest, NothingIsLostWhereTheHostRefusesAMessage) {
  controller_.FailSetMessage(true);
  msix_->SetControl(kEnable);
  Program(0, 40, /*masked=*/true);
  msix_->Trigger(0);
  SetMask(0, false);
  EXPECT_EQ(controller_.count(40), 1);
  msix_->Trigger(0);
  EXPECT_EQ(controller_.count(40), 2);
}

TEST_F(MsixTest, HostThatRefusesAMessageIsAskedAgain) {
  controller_.FailSetMessage(true);
  msix_->SetControl(kEnable);
  Program(0, 40);
  controller_.FailSetMessage(false);
  SetMask(0, true);
  const int before = controller_.set_messages();
  SetMask(0, false);
  EXPECT_EQ(controller_.set_messages(), before + 1);
  SetMask(0, true);
  SetMask(0, false);
  EXPECT_EQ(controller_.set_messages(), before + 1);
}

TEST_F(MsixTest, DescribesItselfInTheCapability) {
  ConfigSpace config({});
  const uint8_t at = msix_->AddCapability(config, 1, 0x4000, 0x5000);
  EXPECT_EQ(config.Get<uint8_t>(at), 0x11);
  EXPECT_EQ(config.Get<uint16_t>(at + Msix::kControlOffset), kVectors - 1);
  EXPECT_EQ(config.Get<uint32_t>(at + 4), 0x4001u);
  EXPECT_EQ(config.Get<uint32_t>(at + 8), 0x5001u);
  const uint64_t ones = ~uint64_t{0};
  config.Write(at, AsBytes(ones));
  EXPECT_EQ(config.Get<uint16_t>(at + Msix::kControlOffset),
            kEnable | kFunctionMask | (kVectors - 1));
}

// Hostile: every offset and size.
TEST_F(MsixTest, AnswersAnyAccess) {
  msix_->SetControl(kEnable);
  for (uint64_t offset = 0; offset < 0x1000; ++offset) {
    for (const size_t size : {1, 2, 4, 8}) {
      std::vector<uint8_t> data(size, 0xff);
      msix_->WriteTable(offset, data);
      msix_->ReadTable(offset, data);
      msix_->ReadPending(offset, data);
    }
  }
  msix_->Trigger(kVectors);
  msix_->Trigger(0xffff);
}

TEST_F(MsixTest, RefusesNumbersOfVectorsThatTheCapabilityCannotSay) {
  EXPECT_FALSE(Msix::Create(&controller_, 0, 0).ok());
  EXPECT_FALSE(Msix::Create(&controller_, 0, 2049).ok());
}

class MsixEventTest : public MsixTest {
 protected:
  const EventFd event_ = EventFd::Create().value();
};

TEST_F(MsixEventTest, ABoundEventSendsTheMessageByItself) {
  msix_->SetControl(kEnable);
  Program(1, 41);
  msix_->Bind(1, &event_);
  event_.Signal();
  controller_.Deliver();
  EXPECT_EQ(controller_.count(41), 1);
  msix_->Unbind(&event_);
  EXPECT_FALSE(controller_.attached(event_));
  msix_->Unbind(&event_);  // Harmless.
}

// PCI 3.0, 6.8.2.9: nobody sends for a masked vector, and its owner sees to the
// pending bit.
TEST_F(MsixEventTest, AMaskedVectorLeavesItsEventToTheOwner) {
  msix_->SetControl(kEnable);
  Program(1, 41, /*masked=*/true);
  msix_->Bind(1, &event_);
  event_.Signal();
  controller_.Deliver();
  EXPECT_EQ(event_.Clear(), 1u);
  msix_->Trigger(1);
  EXPECT_TRUE(Pending(1));
  SetMask(1, false);
  EXPECT_EQ(controller_.count(41), 1);
  EXPECT_TRUE(controller_.attached(event_));
  SetMask(1, true);
  EXPECT_FALSE(controller_.attached(event_));
}

TEST_F(MsixEventTest, WhatNobodyTookWhileMaskedIsSentWhenUnmasked) {
  msix_->SetControl(kEnable);
  Program(1, 41, /*masked=*/true);
  msix_->Bind(1, &event_);
  event_.Signal();
  SetMask(1, false);
  controller_.Deliver();
  EXPECT_EQ(controller_.count(41), 1);
}

TEST_F(MsixEventTest, TheFunctionMaskAndDisablingDetachToo) {
  Program(1, 41);
  msix_->Bind(1, &event_);
  EXPECT_FALSE(controller_.attached(event_));
  msix_->SetControl(kEnable);
  EXPECT_TRUE(controller_.attached(event_));
  msix_->SetControl(kEnable | kFunctionMask);
  EXPECT_FALSE(controller_.attached(event_));
  msix_->SetControl(kEnable);
  EXPECT_TRUE(controller_.attached(event_));
  msix_->Reset();
  EXPECT_FALSE(controller_.attached(event_));
}

TEST_F(MsixEventTest, EventsMayShareAVector) {
  const EventFd other = EventFd::Create().value();
  msix_->SetControl(kEnable);
  Program(1, 41);
  msix_->Bind(1, &event_);
  msix_->Bind(1, &other);
  event_.Signal();
  other.Signal();
  controller_.Deliver();
  EXPECT_EQ(controller_.count(41), 2);
  msix_->Unbind(&event_);
  EXPECT_TRUE(controller_.attached(other));
  msix_->Unbind(&other);
}

// Hostile: a vector that is none, and a message that the host refuses.
TEST_F(MsixEventTest, WithoutAMessageNothingIsAttached) {
  msix_->SetControl(kEnable);
  msix_->Bind(0xffff, &event_);
  msix_->Unbind(&event_);
  controller_.FailSetMessage(true);
  Program(1, 41);
  msix_->Bind(1, &event_);
  EXPECT_FALSE(controller_.attached(event_));
  msix_->Unbind(&event_);
}

// A trigger that meets a vector being unmasked is sent or pending, never lost.
TEST_F(MsixTest, NoTriggerIsLostWhileTheGuestMasksAndUnmasks) {
  msix_->SetControl(kEnable);
  Program(0, 40);
  std::atomic<bool> done = false;
  std::thread guest([&] {
    while (!done) {
      SetMask(0, true);
      SetMask(0, false);
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const int before = controller_.count(40);
    msix_->Trigger(0);
    controller_.WaitForCount(40, before + 1);
  }
  done = true;
  guest.join();
}

}  // namespace
}  // namespace nacre::vmm
