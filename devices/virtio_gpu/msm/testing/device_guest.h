#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_DEVICE_GUEST_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_DEVICE_GUEST_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/event_fd.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/null_drm_device.h"
#include "devices/virtio_gpu/testing/requests.h"

namespace nacre::msm {

// A guest with a whole VirtioGpu and the msm context type over a driver that
// does nothing, to measure what lies between: requests are prepared once in
// guest memory, made available all at once, kicked for once, and interrupt
// once, when the last one is done. The thread that calls Run sleeps meanwhile,
// so that what the process does then is the device's doing. For one thread.
class DeviceGuest : private virtio::DriverNotifier {
 public:
  static constexpr uint16_t kQueueSize = 256;
  static constexpr uint64_t kIova = 1 << 20;

  // `drm` outlives the guest.
  explicit DeviceGuest(NullDrmDevice& drm);
  ~DeviceGuest() override;

  const Counters& counters() const { return *counters_; }
  const virtio_gpu::Stats& stats() const { return device_->stats(); }

  // A request as it lies in guest memory, in as many descriptors as Linux
  // makes of it (header, commands, answer) in an indirect table.
  struct Prepared {
    uint64_t table;
    uint32_t table_bytes;
    uint64_t answer;
  };
  Prepared Prepare(const virtio_gpu::Request& request);
  // SUBMIT_3D of ccmds.
  Prepared PrepareSubmit(uint32_t ctx_id, std::span<const uint8_t> ccmds);

  // Has all of them served: at most kQueueSize. CHECKs that the last one
  // succeeded.
  void Run(std::span<const Prepared> requests);

  // A context with its control memory, whose responses all have room.
  void CreateContext(uint32_t ctx_id);
  void DestroyContext(uint32_t ctx_id);
  // GEM_NEW and its blob; returns the resource id.
  uint32_t NewBuffer(uint32_t ctx_id, uint64_t size);

 private:
  void NotifyUsedBuffers(uint16_t index) override;
  void NotifyConfigChange() override {}
  void SetNeedsReset() override;
  void Call(const virtio_gpu::Request& request);

  const Counters* counters_;
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
  virtio::GuestRam ram_;
  virtio::QueueLayout layout_;
  EventFd kick_;
  EventFd interrupt_;
  uint16_t available_ = 0;
  uint32_t next_resource_ = 1;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_DEVICE_GUEST_H_
