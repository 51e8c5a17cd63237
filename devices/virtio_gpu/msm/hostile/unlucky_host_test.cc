// Hosts that lose their GPU or run out of things, under a guest on real queues:
// contexts are lost, the machine is not, and what comes back serves again.

#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <vector>

#include "devices/virtio_gpu/msm/hostile/device_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::wire::Type;

class UnluckyHostTest : public DeviceTestBase {
 protected:
  bool Serves() {
    return g_->Call(Request(Type::kGetDisplayInfo)) == Type::kOkDisplayInfo;
  }
};

TEST_F(UnluckyHostTest, TheRenderNodeDisappearsAndComesBack) {
  Start();
  StartContext(1);
  ASSERT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  ASSERT_EQ(g_->Call(virtio_gpu::MapRequest(20, 512 * kLargestPageSize)),
            Type::kOkMapInfo);
  ASSERT_EQ(g_->Submit(1, 1).type, Type::kOkNodata);
  // As DRM does once a device is unplugged.
  for (size_t call = 0; call < static_cast<size_t>(DrmCall::kCount); ++call) {
    drm_.FailAlways(static_cast<DrmCall>(call), ENODEV);
  }
  for (uint32_t fence = 2; fence < 5; ++fence) {
    EXPECT_NE(g_->Submit(1, fence).type, Type::kOkNodata);
    EXPECT_EQ(g_->shmem(1).async_error, fence - 1);
  }
  EXPECT_NE(g_->NewBuffer(1, 21), Type::kOkNodata);
  EXPECT_NE(g_->CreateContext(2), Type::kOkNodata);
  EXPECT_EQ(g_->Ccmd(1, MSM_CCMD_WAIT_FENCE, {0, 1}).ret, -ENODEV);
  // What the guest has mapped stays its own.
  g_->window()[512 * kLargestPageSize] = 1;
  EXPECT_EQ(g_->OnResource(Type::kResourceUnref, 1, 20), Type::kOkNodata);
  EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  EXPECT_TRUE(Serves());

  drm_.FailNoMore();
  EXPECT_EQ(g_->OnResource(Type::kResourceUnref, 0, 1), Type::kOkNodata);
  StartContext(1);
  EXPECT_EQ(g_->Submit(1, 1).type, Type::kOkNodata);
}

// A guest that takes all the descriptors that this process may have.
class FewFdsTest : public UnluckyHostTest {
 protected:
  void LeaveFds(size_t count) {
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit_), 0);
    rlimit few = limit_;
    few.rlim_cur = CountFds() + count;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  void RestoreFds() { ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit_), 0); }

  rlimit limit_ = {};
};

TEST_F(FewFdsTest, WithoutThemThereAreErrorsAndNoEnd) {
  Start();
  StartContext(1);
  // UBSan wants a descriptor for the first call by way of a type.
  EXPECT_TRUE(Serves());
  LeaveFds(5);
  uint32_t refused = 0;
  for (uint32_t id = 20; id < 40; ++id) {
    const Type type = g_->NewBuffer(1, id);
    if (type != Type::kOkNodata) ++refused;
  }
  EXPECT_GT(refused, 5u);
  EXPECT_LT(refused, 20u);
  EXPECT_GT(g_->shmem(1).async_error, 0u);
  // GEM_SUBMIT needs none, but a fence behind it does; whoever waits goes on.
  EXPECT_EQ(g_->Submit(1, 1).type, Type::kOkNodata);
  EXPECT_EQ(g_->Call(virtio_gpu::SubmitRequest(1, {}).Fence(7, 2)),
            Type::kErrOutOfMemory);
  EXPECT_TRUE(Serves());

  RestoreFds();
  EXPECT_EQ(g_->Submit(1, 2).type, Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 50), Type::kOkNodata);
}

TEST_F(FewFdsTest, AResetWithoutThemIsOneToRepeat) {
  Start();
  StartContext(1);
  g_->driver().Reset();
  LeaveFds(0);
  // Its threads need some: the driver is told at DRIVER_OK.
  EXPECT_FALSE(g_->driver().Start().ok());
  RestoreFds();
  g_->driver().Reset();
  ASSERT_TRUE(g_->driver().Start().ok());
  StartContext(1);
  EXPECT_EQ(g_->Submit(1, 1).type, Type::kOkNodata);
}

}  // namespace
}  // namespace nacre::msm
