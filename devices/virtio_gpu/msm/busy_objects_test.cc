#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

// What becomes of buffers that the GPU works on when their program is killed.
class BusyObjectsTest : public ContextTestBase {
 protected:
  void UseDriver(uint32_t minor) {
    guest_.reset();
    device_.set_version({1, minor, 0});
    type_ = *MsmContextType::Create(device_);
    guest_.emplace(*type_);
  }

  uint32_t NewBusyBuffer() {
    const uint32_t buffer = *guest_->NewBuffer(HostPageSize(), kIova);
    EXPECT_TRUE(
        guest_->Submit({.bos = {{MSM_SUBMIT_BO_WRITE, buffer, 0}}, .cmds = {}})
            .ok());
    return buffer;
  }

  size_t closes() const { return device_.calls(DrmCall::kGemClose); }
  size_t set_iovas() const { return device_.calls(DrmCall::kGemSetIova); }
};

// The driver keeps the object; to take its address away would be a fault.
TEST_F(BusyObjectsTest, UntilLinux616TheyAreClosedWithTheirAddress) {
  UseDriver(12);
  const uint32_t buffer = NewBusyBuffer();
  const size_t before = set_iovas();
  guest_->CloseBuffer(buffer);
  EXPECT_EQ(set_iovas(), before);
  EXPECT_EQ(device_.handles(), 0u);
  EXPECT_EQ(device_.objects(), 1u);
  EXPECT_EQ(counters().objects.value(), 0u);
}

// There GEM_CLOSE would wait for the GPU.
TEST_F(BusyObjectsTest, FromLinux617OnTheyAreClosedWhenIdle) {
  UseDriver(13);
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
  EXPECT_EQ(counters().objects.value(), 0u);
  EXPECT_TRUE(guest_->NewBuffer(HostPageSize(), kIova).ok());
}

// close() of the file would wait too.
TEST_F(BusyObjectsTest, AFileStaysOpenForThem) {
  UseDriver(13);
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

TEST_F(BusyObjectsTest, WithoutContextsAllThatAreIdleAreClosedTogether) {
  UseDriver(13);
  constexpr uint32_t kBuffers = 100;
  GuestSubmit submit;
  for (uint32_t i = 0; i < kBuffers; ++i) {
    const uint32_t buffer =
        *guest_->NewBuffer(HostPageSize(), kIova + i * HostPageSize());
    submit.bos.push_back({MSM_SUBMIT_BO_READ, buffer, 0});
  }
  ASSERT_TRUE(guest_->Submit(submit).ok());
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

// PRIME gives the handle that is still open.
TEST_F(BusyObjectsTest, OneThatIsImportedAgainIsNotClosed) {
  UseDriver(13);
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

TEST_F(BusyObjectsTest, WhatIsIdleIsClosedAtOnce) {
  for (const uint32_t minor : {12u, 13u}) {
    UseDriver(minor);
    const uint32_t buffer = NewBusyBuffer();
    device_.FinishAll();
    guest_->CloseBuffer(buffer);
    EXPECT_EQ(device_.handles(), 0u);
    EXPECT_EQ(device_.objects(), 0u);
  }
}

TEST_F(BusyObjectsTest, ThousandsOfThemAreAllClosedInTheEnd) {
  UseDriver(13);
  constexpr uint32_t kBuffers = 1000;
  GuestSubmit submit;
  for (uint32_t i = 0; i < kBuffers; ++i) {
    const uint32_t buffer =
        *guest_->NewBuffer(HostPageSize(), kIova + i * HostPageSize());
    submit.bos.push_back({MSM_SUBMIT_BO_READ, buffer, 0});
  }
  ASSERT_TRUE(guest_->Submit(submit).ok());
  for (const drm_msm_gem_submit_bo& bo : submit.bos) {
    guest_->CloseBuffer(bo.handle);
  }
  EXPECT_EQ(device_.handles(), kBuffers);
  device_.FinishAll();
  for (uint32_t fence = 2; device_.handles() != 0; ++fence) {
    ASSERT_LT(fence, kBuffers);
    ASSERT_TRUE(guest_->Submit({.fence = fence}).ok());
  }
}

}  // namespace
}  // namespace nacre::msm
