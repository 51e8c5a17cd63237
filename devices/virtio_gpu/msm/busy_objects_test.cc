#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

// What becomes of buffers that the GPU works on when their program is killed:
// the same before and behind Linux 6.17, where GEM_CLOSE began to wait.
class BusyObjectsTest : public ContextTestBase,
                        public testing::WithParamInterface<uint32_t> {
 protected:
  BusyObjectsTest() { Use({}); }

  void Use(const Limits& limits) {
    guest_.reset();
    device_.set_version({1, GetParam(), 0});
    type_ = *MsmContextType::Create(device_, {.limits = limits});
    guest_.emplace(*type_);
  }
  // As many bytes of all contexts as `count` buffers have.
  void LimitBuffers(uint64_t count) {
    Use({.max_object_bytes = count * HostPageSize()});
  }

  uint32_t NewBusyBuffer() {
    const uint32_t buffer = *guest_->NewBuffer(HostPageSize(), kIova);
    EXPECT_TRUE(
        guest_->Submit({.bos = {{MSM_SUBMIT_BO_WRITE, buffer, 0}}, .cmds = {}})
            .ok());
    return buffer;
  }

  // Many that one submit reads.
  std::vector<uint32_t> NewBusyBuffers(Guest& guest, uint32_t count) {
    std::vector<uint32_t> buffers;
    GuestSubmit submit;
    for (uint32_t i = 0; i < count; ++i) {
      buffers.push_back(
          *guest.NewBuffer(HostPageSize(), kIova + i * HostPageSize()));
      submit.bos.push_back({MSM_SUBMIT_BO_READ, buffers.back(), 0});
    }
    EXPECT_TRUE(guest.Submit(submit).ok());
    return buffers;
  }

  size_t closes() const { return device_.calls(DrmCall::kGemClose); }
};

// GEM_CLOSE would wait for the GPU, or free of charge what the driver keeps; to
// take the address away would be a fault.
TEST_P(BusyObjectsTest, TheyAreClosedWhenIdle) {
  const uint32_t buffer = NewBusyBuffer();
  const size_t before = closes();
  guest_->CloseBuffer(buffer);
  ASSERT_TRUE(guest_->Submit({.fence = 2}).ok());
  EXPECT_EQ(closes(), before);
  EXPECT_EQ(device_.iova(1), kIova);
  EXPECT_EQ(counters().objects.value(), 1u);
  EXPECT_EQ(counters().object_bytes.value(), HostPageSize());
  device_.FinishAll();
  ASSERT_TRUE(guest_->Submit({.fence = 3}).ok());
  EXPECT_EQ(device_.handles(), 0u);
  EXPECT_EQ(device_.objects(), 0u);
  EXPECT_EQ(counters().objects.value(), 0u);
  EXPECT_EQ(counters().object_bytes.value(), 0u);
  EXPECT_TRUE(guest_->NewBuffer(HostPageSize(), kIova).ok());
}

TEST_P(BusyObjectsTest, TheyCountForTheLimit) {
  LimitBuffers(1);
  guest_->CloseBuffer(NewBusyBuffer());
  EXPECT_FALSE(guest_->NewBuffer(HostPageSize(), kIova + kPage).ok());
  EXPECT_EQ(device_.objects(), 1u);
  device_.FinishAll();
  EXPECT_TRUE(guest_->NewBuffer(HostPageSize(), kIova + kPage).ok());
}

// Of its maker's object, which goes first, an import keeps the memory.
TEST_P(BusyObjectsTest, ImportsCountForTheLimitToo) {
  LimitBuffers(1);
  const uint32_t buffer = *guest_->NewBuffer(HostPageSize(), kIova, MSM_BO_WC,
                                             /*shareable=*/true);
  Guest other(*type_);
  ASSERT_TRUE(
      other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
  ASSERT_TRUE(
      other.Submit({.bos = {{MSM_SUBMIT_BO_READ, buffer, 0}}, .cmds = {}})
          .ok());
  other.context().DetachResource(buffer);
  guest_->CloseBuffer(buffer);
  device_.FinishAll();
  EXPECT_FALSE(guest_->NewBuffer(HostPageSize(), kIova).ok());
  EXPECT_EQ(device_.objects(), 1u);
  EXPECT_EQ(counters().object_bytes.value(), HostPageSize());
  ASSERT_TRUE(other.Submit({.fence = 2}).ok());
  EXPECT_EQ(counters().object_bytes.value(), 0u);
  EXPECT_TRUE(guest_->NewBuffer(HostPageSize(), kIova).ok());
}

// The others are another context's, which alone may close them, and come first.
TEST_P(BusyObjectsTest, WhatIsIdleMakesRoomAmongMany) {
  constexpr uint32_t kOthers = 100;
  LimitBuffers(kOthers + 1);
  Guest other(*type_);
  for (const uint32_t buffer : NewBusyBuffers(other, kOthers)) {
    other.CloseBuffer(buffer);
  }
  guest_->CloseBuffer(NewBusyBuffer());
  device_.FinishAll();
  EXPECT_TRUE(guest_->NewBuffer(HostPageSize(), kIova).ok());
}

// Of a program that was killed, with more of them than one sweep looks at.
TEST_P(BusyObjectsTest, AFileThatIsOpenForIdleOnesMakesRoom) {
  Use({.max_files = 1});
  NewBusyBuffers(*guest_, 100);
  guest_.reset();
  EXPECT_FALSE(type_->CreateContext(1, "early").ok());
  device_.FinishAll();
  EXPECT_TRUE(type_->CreateContext(1, "next").ok());
}

// close() of the file would wait too.
TEST_P(BusyObjectsTest, AFileStaysOpenForThem) {
  const uint32_t buffer = NewBusyBuffer();
  guest_->DestroyContext();
  guest_->CloseBuffer(buffer);
  EXPECT_EQ(device_.files(), 1u);
  EXPECT_EQ(counters().files.value(), 1u);
  device_.FinishAll();
  const Guest other(*type_);
  EXPECT_EQ(device_.files(), 1u);
  EXPECT_EQ(device_.handles(), 0u);
}

TEST_P(BusyObjectsTest, WithoutContextsAllThatAreIdleAreClosedTogether) {
  constexpr uint32_t kBuffers = 100;
  NewBusyBuffers(*guest_, kBuffers);
  guest_.reset();
  type_->ReleaseIdle();
  EXPECT_EQ(device_.handles(), kBuffers);
  EXPECT_EQ(device_.files(), 1u);
  device_.FinishAll();
  type_->ReleaseIdle();
  EXPECT_EQ(device_.handles(), 0u);
  EXPECT_EQ(device_.files(), 0u);
  EXPECT_EQ(counters().object_bytes.value(), 0u);
}

// PRIME gives the handle that is still open, with its address.
TEST_P(BusyObjectsTest, OneThatIsImportedAgainIsNotClosed) {
  const uint32_t buffer = *guest_->NewBuffer(HostPageSize(), kIova, MSM_BO_WC,
                                             /*shareable=*/true);
  Guest other(*type_);
  const auto attach = [&] {
    ASSERT_TRUE(
        other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
    other.batch().Add(MSM_CCMD_GEM_SET_IOVA, {Low(kIova), High(kIova), buffer});
    EXPECT_TRUE(other.Flush().ok());
  };
  attach();
  ASSERT_TRUE(
      other.Submit({.bos = {{MSM_SUBMIT_BO_READ, buffer, 0}}, .cmds = {}})
          .ok());
  other.context().DetachResource(buffer);
  attach();
  device_.FinishAll();
  ASSERT_TRUE(other
                  .Submit({.fence = 2,
                           .bos = {{MSM_SUBMIT_BO_READ, buffer, 0}},
                           .cmds = {}})
                  .ok());
  EXPECT_EQ(device_.handles(), 2u);
  EXPECT_EQ(counters().objects.value(), 2u);
  EXPECT_EQ(other.async_error(), 0u);
  device_.FinishAll();
}

// Attack: address spaces of contexts that have ended, kept by a buffer that is
// everybody's.
TEST_P(BusyObjectsTest, NoSharedBufferKeepsTheAddressThatASubmissionGaveIt) {
  const auto attach = [](Guest& guest, Guest& maker, uint32_t buffer) {
    ASSERT_TRUE(
        guest.context().AttachResource(buffer, maker.blob(buffer)).ok());
    ASSERT_TRUE(
        guest.Submit({.bos = {{MSM_SUBMIT_BO_READ, buffer, 0}}, .cmds = {}})
            .ok());
  };
  const uint32_t buffer =
      *guest_->NewBuffer(HostPageSize(), 0, MSM_BO_WC, /*shareable=*/true);
  for (const bool detach : {false, true}) {
    for (const bool idle : {false, true}) {
      Guest other(*type_);
      attach(other, *guest_, buffer);
      if (idle) device_.FinishAll();
      if (detach) other.context().DetachResource(buffer);
      other.DestroyContext();
      device_.FinishAll();
      type_->ReleaseIdle();
      EXPECT_EQ(device_.kept_addresses(), 0u) << detach << idle;
    }
  }
  // And its maker's.
  Guest other(*type_);
  attach(other, *guest_, buffer);
  ASSERT_TRUE(
      guest_->Submit({.bos = {{MSM_SUBMIT_BO_READ, buffer, 0}}, .cmds = {}})
          .ok());
  device_.FinishAll();
  guest_.reset();
  EXPECT_EQ(device_.kept_addresses(), 0u);
}

TEST_P(BusyObjectsTest, WhatIsIdleIsClosedAtOnce) {
  const uint32_t buffer = NewBusyBuffer();
  device_.FinishAll();
  guest_->CloseBuffer(buffer);
  EXPECT_EQ(device_.handles(), 0u);
  EXPECT_EQ(device_.objects(), 0u);
}

// Where the GPU works on it the kernel's answer may take a tick of its clock.
// (A guest that takes its buffers back one by one has each asked of.)
TEST_P(BusyObjectsTest, FewAreAskedOf) {
  constexpr uint32_t kBuffers = 1000;
  size_t before = device_.calls(DrmCall::kGemCpuPrep);
  const auto asked = [&] {
    const size_t now = device_.calls(DrmCall::kGemCpuPrep);
    return now - std::exchange(before, now);
  };
  NewBusyBuffers(*guest_, kBuffers);
  guest_.reset();
  EXPECT_EQ(asked(), 1u);
  Guest other(*type_);
  EXPECT_LE(asked(), 1u);
  ASSERT_TRUE(other.Submit({.fence = 1}).ok());
  EXPECT_LE(asked(), 1u);
  ASSERT_TRUE(other.NewBuffer(HostPageSize(), kIova).ok());
  EXPECT_LE(asked(), 1u);
}

// However many commands would.
TEST_P(BusyObjectsTest, FewAreAskedOfInOneStream) {
  constexpr size_t kCommands = 4000;
  const uint32_t buffer = NewBusyBuffer();
  const uint32_t queue = guest_->NewQueue(0);
  const auto asked = [&](uint32_t cmd, std::initializer_list<uint32_t> words) {
    const size_t before = device_.calls(DrmCall::kGemCpuPrep);
    for (size_t i = 0; i < kCommands; ++i) guest_->batch().Add(cmd, words);
    guest_->Flush().IgnoreError();
    return device_.calls(DrmCall::kGemCpuPrep) - before;
  };
  // Twice: another stream asks again.
  for (int i = 0; i < 2; ++i) {
    const size_t count = asked(MSM_CCMD_GEM_CPU_PREP, {buffer, MSM_PREP_READ});
    EXPECT_GE(count, 1u);
    EXPECT_LT(count, 100u);
  }
  guest_->CloseBuffer(buffer);
  // Refused: of pipe 0.
  EXPECT_LT(asked(MSM_CCMD_GEM_SUBMIT, {0, queue}), 100u);
  EXPECT_LT(asked(MSM_CCMD_GEM_NEW, {}), 100u);
  device_.FinishAll();
}

TEST_P(BusyObjectsTest, AProgramThatAsksOftenLearnsThatOneIsIdle) {
  const uint32_t buffer = NewBusyBuffer();
  const auto ask = [&] {
    return guest_->CallForResult(MSM_CCMD_GEM_CPU_PREP,
                                 {buffer, MSM_PREP_WRITE});
  };
  for (int i = 0; i < 100; ++i) ASSERT_EQ(ask(), -EBUSY);
  device_.FinishAll();
  EXPECT_EQ(ask(), 0);
}

TEST_P(BusyObjectsTest, OneThatStaysBusyIsInNobodysWay) {
  // As many as a sweep looks at, or a multiple.
  for (const uint32_t others : {7u, 15u}) {
    const std::vector<uint32_t> idle = NewBusyBuffers(*guest_, others);
    const uint32_t busy =
        *guest_->NewBuffer(HostPageSize(), kIova + 100 * kPage);
    ASSERT_TRUE(guest_
                    ->Submit({.fence = 2,
                              .bos = {{MSM_SUBMIT_BO_READ, busy, 0}},
                              .cmds = {}})
                    .ok());
    guest_->CloseBuffer(busy);
    for (const uint32_t buffer : idle) guest_->CloseBuffer(buffer);
    device_.FinishAllBut(1);
    for (int wait = 0; wait < 10; ++wait) {
      guest_->batch().Add(MSM_CCMD_WAIT_FENCE, {0, 1});
      ASSERT_TRUE(guest_->Flush().ok());
    }
    EXPECT_EQ(device_.handles(), 1u) << others;
    device_.FinishAll();
    ASSERT_TRUE(guest_->Submit({.fence = 3}).ok());
    device_.FinishAll();
    EXPECT_EQ(device_.handles(), 0u) << others;
  }
}

// Idle ones of a program that has a busy one and makes nothing new, or ended.
TEST_P(BusyObjectsTest, BusyOnesKeepNoIdleOnes) {
  constexpr uint32_t kBuffers = 60;
  constexpr uint32_t kBusy = 20;
  LimitBuffers(kBuffers);
  std::vector<uint32_t> buffers = NewBusyBuffers(*guest_, kBusy);
  for (uint32_t i = kBusy; i < kBuffers; ++i) {
    buffers.push_back(
        *guest_->NewBuffer(HostPageSize(), kIova + (100 + i) * kPage));
  }
  for (const uint32_t buffer : buffers) guest_->CloseBuffer(buffer);
  EXPECT_EQ(counters().object_bytes.value(), kBusy * HostPageSize());
  Guest other(*type_);
  EXPECT_TRUE(other.NewBuffer(HostPageSize(), kIova).ok());
  // What is not taken back one by one.
  const auto own = [&](uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(
          guest_->NewBuffer(HostPageSize(), kIova + (300 + i) * kPage).ok());
    }
  };
  own(kBuffers - kBusy - 1);
  guest_.reset();
  EXPECT_TRUE(other.NewBuffer(HostPageSize(), kIova + kPage).ok());
  device_.FinishAll();
}

// Of a program that goes on and makes nothing new.
TEST_P(BusyObjectsTest, OneThatWaitsForItsFenceLetsGo) {
  guest_->CloseBuffer(NewBusyBuffer());
  device_.FinishAll();
  guest_->batch().Add(MSM_CCMD_WAIT_FENCE, {0, 1});
  ASSERT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.handles(), 0u);
  EXPECT_EQ(counters().object_bytes.value(), 0u);
}

TEST_P(BusyObjectsTest, ThousandsOfThemAreAllClosedInTheEnd) {
  constexpr uint32_t kBuffers = 1000;
  for (const uint32_t buffer : NewBusyBuffers(*guest_, kBuffers)) {
    guest_->CloseBuffer(buffer);
  }
  EXPECT_EQ(device_.handles(), kBuffers);
  device_.FinishAll();
  for (uint32_t fence = 2; device_.handles() != 0; ++fence) {
    ASSERT_LT(fence, kBuffers);
    ASSERT_TRUE(guest_->Submit({.fence = fence}).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Minor, BusyObjectsTest, testing::Values(12u, 13u));

}  // namespace
}  // namespace nacre::msm
