#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>

#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

// Attack stopped: a context lets go of a buffer while another one gives work to
// it, so that GEM_CLOSE waits for that (from Linux 6.17 on). Also for TSan.

namespace nacre::msm {
namespace {

class SharedObjectsTest : public ContextTestBase {
 protected:
  SharedObjectsTest() {
    guest_.reset();
    device_.set_version({1, 13, 0});
    type_ = *MsmContextType::Create(device_);
    guest_.emplace(*type_);
    other_.emplace(*type_);
    own_ = *other_->NewBuffer(HostPageSize(), kIova);
    // Of one number each.
    guest_->CloseBuffer(*guest_->NewBuffer(HostPageSize(), kIova));
    shared_ = *guest_->NewBuffer(HostPageSize(), kIova, MSM_BO_WC,
                                 /*shareable=*/true);
    Attach(*other_);
    closes_before_ = device_.calls(DrmCall::kGemClose);
  }
  void TearDown() override {
    other_.reset();
    ContextTestBase::TearDown();
  }

  void Attach(Guest& guest) {
    ASSERT_TRUE(
        guest.context().AttachResource(shared_, guest_->blob(shared_)).ok());
  }
  // What happens while the guest is in a GEM_SUBMIT of the buffer; the work of
  // it is not finished.
  template <typename Meanwhile>
  void Submit(Guest& guest, uint32_t buffer, Meanwhile meanwhile) {
    device_.Block(DrmCall::kGemSubmit);
    std::thread submit([&guest, buffer] {
      EXPECT_TRUE(
          guest.Submit({.bos = {{MSM_SUBMIT_BO_WRITE, buffer, 0}}, .cmds = {}})
              .ok());
    });
    device_.WaitBlocked();
    meanwhile();
    device_.Unblock();
    submit.join();
  }
  size_t closes() const {
    return device_.calls(DrmCall::kGemClose) - closes_before_;
  }

  std::optional<Guest> other_;
  uint32_t shared_ = 0;  // The guest's; the other one has it, too.
  uint32_t own_ = 0;     // The other one's alone.
  size_t closes_before_ = 0;
};

TEST_F(SharedObjectsTest, AnImportIsClosedWhenItsMakersWorkIsDone) {
  Submit(*guest_, shared_, [&] {
    other_->context().DetachResource(shared_);
    EXPECT_EQ(closes(), 0u);
  });
  ASSERT_TRUE(other_->Submit({.fence = 1}).ok());
  EXPECT_EQ(closes(), 0u);
  device_.FinishAll();
  ASSERT_TRUE(other_->Submit({.fence = 2}).ok());
  EXPECT_EQ(closes(), 1u);
}

TEST_F(SharedObjectsTest, AnExportedOneIsClosedWhenOthersWorkIsDone) {
  Submit(*other_, shared_, [&] {
    guest_->CloseBuffer(shared_);
    EXPECT_EQ(closes(), 0u);
  });
  ASSERT_TRUE(guest_->Submit({.fence = 1}).ok());
  EXPECT_EQ(closes(), 0u);
  device_.FinishAll();
  ASSERT_TRUE(guest_->Submit({.fence = 2}).ok());
  EXPECT_EQ(closes(), 1u);
}

// By whoever comes by.
TEST_F(SharedObjectsTest, OneOfAContextThatEndedIsClosedWhenOthersWorkIsDone) {
  std::optional<Guest> third(*type_);
  Attach(*third);
  other_->CloseBuffer(own_);
  closes_before_ = device_.calls(DrmCall::kGemClose);
  Submit(*guest_, shared_, [&] {
    other_.reset();
    third->batch().Add(MSM_CCMD_WAIT_FENCE, {0, 0});
    EXPECT_TRUE(third->Flush().ok());
    type_->ReleaseIdle();
    EXPECT_EQ(closes(), 0u);
  });
  type_->ReleaseIdle();
  EXPECT_EQ(closes(), 0u);
  device_.FinishAll();
  type_->ReleaseIdle();
  EXPECT_EQ(closes(), 1u);
}

// Nobody else can give work to it.
TEST_F(SharedObjectsTest, WhatIsNotSharedIsClosedMeanwhile) {
  Submit(*guest_, shared_, [&] {
    other_->CloseBuffer(own_);
    EXPECT_EQ(closes(), 1u);
  });
  device_.FinishAll();
}

// Its program has nothing that is shared.
TEST_F(SharedObjectsTest, WhileOthersSubmitItIsClosed) {
  Guest third(*type_);
  const uint32_t own = *third.NewBuffer(HostPageSize(), kIova);
  Submit(third, own, [&] {
    other_->context().DetachResource(shared_);
    EXPECT_EQ(closes(), 1u);
  });
  device_.FinishAll();
}

}  // namespace
}  // namespace nacre::msm
