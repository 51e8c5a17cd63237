#include "devices/virtio_gpu/msm/hostile/device_test_base.h"

#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

using virtio_gpu::wire::CtrlHeader;
using virtio_gpu::wire::Type;

void DeviceTestBase::Start(const virtio_gpu::VirtioGpu::Config& config,
                           const MsmConfig& msm_config) {
  g_.emplace(drm_, config, msm_config);
}

void DeviceTestBase::TearDown() {
  drm_.FailNoMore();
  g_->driver().Reset();
  // What the GPU works on goes with the reset after that.
  drm_.FinishAll();
  g_->driver().Reset();
  EXPECT_EQ(drm_.files(), 0u);
  EXPECT_EQ(drm_.objects(), 0u);
  EXPECT_EQ(drm_.warnings(), 0u);
  ExpectNothingLeft();
  EXPECT_EQ(g_->stats().fences_pending.value(), 0u);
  g_.reset();
  EXPECT_EQ(CountFds(), fds_);
  EXPECT_EQ(CountMappings(), mappings_);
}

void DeviceTestBase::ExpectNothingLeft() {
  EXPECT_EQ(g_->stats().contexts.value(), 0u);
  EXPECT_EQ(g_->stats().resources.value(), 0u);
  EXPECT_EQ(g_->stats().mapped_blobs.value(), 0u);
  EXPECT_EQ(g_->stats().mapped_bytes.value(), 0u);
  EXPECT_EQ(g_->counters().files.value(), 0u);
  EXPECT_EQ(g_->counters().objects.value(), 0u);
  EXPECT_EQ(g_->counters().object_bytes.value(), 0u);
  EXPECT_EQ(g_->counters().submitqueues.value(), 0u);
  EXPECT_EQ(g_->counters().control_memories.value(), 0u);
}

void DeviceTestBase::StartContext(uint32_t ctx_id) {
  ASSERT_EQ(g_->CreateContext(ctx_id), Type::kOkNodata);
  g_->CreateShmem(ctx_id);
}

void DeviceTestBase::Send(const virtio_gpu::Request& request) {
  g_->driver()
      .queue(0)
      .Chain()
      .Readable(request.bytes())
      .Writable(sizeof(CtrlHeader))
      .Submit();
  g_->driver().Kick(0);
}

CtrlHeader DeviceTestBase::WaitAnswer() {
  const std::vector<uint8_t> response = g_->driver().WaitUsed(0).response;
  return ByteReader(response).ReadZeroExtended<CtrlHeader>();
}

void DeviceTestBase::SendWork(uint32_t ctx_id, uint32_t fence) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, fence});
  Send(virtio_gpu::SubmitRequest(ctx_id, stream.bytes()).Fence(fence, kRing));
}

}  // namespace nacre::msm
