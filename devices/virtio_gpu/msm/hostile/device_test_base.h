#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_HOSTILE_DEVICE_TEST_BASE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_HOSTILE_DEVICE_TEST_BASE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

namespace nacre::msm {

// A guest on real queues of a whole device, over the fake driver. Whatever a
// test did, after a reset of the device nothing may be left of it.
class DeviceTestBase : public testing::Test {
 protected:
  static constexpr uint64_t kPage = kLargestPageSize;
  static constexpr uint8_t kRing = 2;  // Of submitqueue 0.

  void Start(
      const virtio_gpu::VirtioGpu::Config& config = MsmDriver::DefaultConfig(),
      const MsmConfig& msm_config = {});
  void TearDown() override;
  void ExpectNothingLeft();

  // A context with control memory.
  void StartContext(uint32_t ctx_id);
  // Without waiting for the answer, which WaitAnswer returns.
  void Send(const virtio_gpu::Request& request);
  virtio_gpu::wire::CtrlHeader WaitAnswer();
  // Work that ends when the test says so, with a fence on its ring.
  void SendWork(uint32_t ctx_id, uint32_t fence);

  const size_t fds_ = CountFds();
  const size_t mappings_ = CountMappings();
  FakeDrmDevice drm_;
  std::optional<MsmDriver> g_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_HOSTILE_DEVICE_TEST_BASE_H_
