#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

// What kernels before Linux 6.8 write a line into the host's log for.

namespace nacre::msm {
namespace {

class SubmitCheckTest : public ContextTestBase {
 protected:
  SubmitCheckTest() {
    buffer_ = *guest_->NewBuffer(kPage, kIova);
    other_ = *guest_->NewBuffer(2 * kPage, kIova + 2 * kPage);
  }

  drm_msm_gem_submit_bo Bo(uint32_t resource_id) const {
    return {MSM_SUBMIT_BO_READ, resource_id, 0};
  }
  // Of four bytes in the first buffer of the list.
  static drm_msm_gem_submit_cmd Cmd() {
    return {MSM_SUBMIT_CMD_BUF, 0, 0, 4, 0, 0, 0};
  }
  // Of a submit whose command the test changes.
  template <typename Change>
  GuestSubmit With(Change change) const {
    GuestSubmit submit = {.bos = {Bo(buffer_), Bo(other_)}, .cmds = {Cmd()}};
    change(submit.cmds[0]);
    return submit;
  }
  // Its submits are checked from then on.
  static void BeRefused(Guest& guest) {
    EXPECT_FALSE(guest.Submit({.bos = {}, .cmds = {Cmd()}}).ok());
  }

  size_t submits() const { return device_.calls(DrmCall::kGemSubmit); }

  uint32_t buffer_;
  uint32_t other_;
};

TEST_F(SubmitCheckTest, TheDriverRefusesAContextOnce) {
  BeRefused(*guest_);
  EXPECT_EQ(submits(), 1u);
  const auto refused = [&](const GuestSubmit& submit) {
    return !guest_->Submit(submit).ok() && submits() == 1;
  };
  EXPECT_TRUE(refused({.bos = {{0, buffer_, 0}}}));
  EXPECT_TRUE(refused({.bos = {{MSM_SUBMIT_BO_DUMP, buffer_, 0}}}));
  EXPECT_TRUE(refused({.bos = {Bo(buffer_), Bo(other_), Bo(buffer_)}}));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.type = 0; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.type = 4; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.submit_idx = 2; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.submit_idx = ~0u; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.size = 0; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.size = 6; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.size = kPage + 4; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.submit_offset = kPage; })));
  EXPECT_TRUE(refused(With([](auto& cmd) { cmd.submit_offset = ~0u; })));
  EXPECT_EQ(guest_->async_error(), 13u);
}

TEST_F(SubmitCheckTest, WhatTheDriverTakesPasses) {
  BeRefused(*guest_);
  const auto taken = [&](const GuestSubmit& submit) {
    const size_t before = submits();
    return guest_->Submit(submit).ok() && submits() == before + 1;
  };
  EXPECT_TRUE(taken({}));
  EXPECT_TRUE(taken({.bos = {{MSM_SUBMIT_BO_WRITE, buffer_, 0}}}));
  EXPECT_TRUE(taken({.bos = {{0xf, other_, 0}, Bo(buffer_)}}));
  EXPECT_TRUE(taken(With([](auto& cmd) { cmd.size = kPage; })));
  EXPECT_TRUE(taken(With([](auto& cmd) {
    cmd.type = MSM_SUBMIT_CMD_IB_TARGET_BUF;
    cmd.submit_idx = 1;
    cmd.submit_offset = kPage;
    cmd.size = kPage;
  })));
  EXPECT_TRUE(taken(With([](auto& cmd) {
    cmd.type = MSM_SUBMIT_CMD_CTX_RESTORE_BUF;
    cmd.submit_offset = kPage - 1;  // The driver counts in words.
  })));
}

TEST_F(SubmitCheckTest, AContextIsNotCheckedForWhatOthersDid) {
  BeRefused(*guest_);
  Guest second(*type_);
  BeRefused(second);
  EXPECT_EQ(submits(), 2u);
}

TEST_F(SubmitCheckTest, OfManyContextsTheLaterOnesAreCheckedFromTheStart) {
  for (int i = 0; i < 30; ++i) {
    Guest another(*type_);
    BeRefused(another);
  }
  EXPECT_EQ(submits(), 10u);
}

TEST(SubmitCheckOldDriverTest, KnowsNoNoImplicitOfABuffer) {
  FakeDrmDevice device;
  device.set_version({1, 9, 0});
  const auto type = *MsmContextType::Create(device);
  Guest guest(*type);
  const uint32_t buffer = *guest.NewBuffer(4096, FakeDrmDevice::kVaStart);
  device.FailOnce(DrmCall::kGemSubmit, EINVAL);
  EXPECT_FALSE(guest.Submit({.bos = {{0x9, buffer, 0}}}).ok());
  EXPECT_FALSE(guest.Submit({.bos = {{0x9, buffer, 0}}}).ok());
  EXPECT_EQ(device.calls(DrmCall::kGemSubmit), 1u);
}

}  // namespace
}  // namespace nacre::msm
