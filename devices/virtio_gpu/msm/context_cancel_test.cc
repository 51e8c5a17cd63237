#include <cstddef>
#include <cstdint>
#include <thread>

#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"

// Attack stopped: a reset of the device held up by a command stream, of
// thousands of commands, which are calls of the driver each. Also for TSan.

namespace nacre::msm {
namespace {

constexpr uint32_t kCommands = 4000;
// For its fence and to look for faults, whatever its commands.
constexpr size_t kCallsOfASubmit = 4;

class ContextCancelTest : public ContextTestBase {
 protected:
  size_t waits() const { return device_.calls(DrmCall::kWaitFence); }
  // Each of them is one call of the driver.
  static void AddWaits(Guest& guest) {
    for (uint32_t i = 0; i < kCommands; ++i) {
      guest.batch().Add(MSM_CCMD_WAIT_FENCE, {0, 0});
    }
  }
};

TEST_F(ContextCancelTest, NothingFollowsTheCallUnderWay) {
  AddWaits(*guest_);
  device_.Block(DrmCall::kWaitFence);
  std::thread submit([this] { guest_->Flush(/*fence_ring=*/2).IgnoreError(); });
  device_.WaitBlocked();
  const size_t calls = device_.calls();
  guest_->context().Cancel();
  device_.Unblock();
  submit.join();
  EXPECT_EQ(waits(), 1u);
  EXPECT_LE(device_.calls() - calls, kCallsOfASubmit);
  EXPECT_EQ(guest_->seqno(), 1u);
}

TEST_F(ContextCancelTest, NothingFollowsTheFirstOfALaterSubmit) {
  ASSERT_TRUE(guest_->Submit({}).ok());
  const uint32_t seqno = guest_->seqno();
  guest_->context().Cancel();
  const size_t calls = device_.calls();
  AddWaits(*guest_);
  guest_->Flush(/*fence_ring=*/2).IgnoreError();
  EXPECT_TRUE(guest_->context().FenceRing(2).ok());
  EXPECT_EQ(waits(), 1u);
  EXPECT_LE(device_.calls() - calls, 1 + kCallsOfASubmit);
  EXPECT_EQ(guest_->seqno(), seqno + 1);
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCancelTest, OtherContextsGoOn) {
  Guest other(*type_);
  guest_->context().Cancel();
  AddWaits(other);
  EXPECT_TRUE(other.Flush().ok());
  EXPECT_EQ(waits(), kCommands);
  EXPECT_EQ(other.seqno(), kCommands);
}

}  // namespace
}  // namespace nacre::msm
