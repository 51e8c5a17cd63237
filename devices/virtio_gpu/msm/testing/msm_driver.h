#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_MSM_DRIVER_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_MSM_DRIVER_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::msm {

// A guest's kernel and Mesa on real queues of a whole VirtioGpu with the msm
// context type, over any DrmDevice. Every call waits for its answer, so that
// between two of them the device does nothing but watch fences. One thread.
class MsmDriver {
 public:
  // Where each context's control memory is in the window: by its id.
  static constexpr uint64_t kShmemSize = Guest::kShmemSize;
  static constexpr uint32_t kContexts = 8;  // That may have one: ids from 1.
  // What a guest finds where it presets this much room.
  static constexpr uint32_t kRoom = 64;

  // `drm` outlives this.
  explicit MsmDriver(
      DrmDevice& drm,
      const virtio_gpu::VirtioGpu::Config& config = DefaultConfig(),
      const MsmConfig& msm_config = {});

  static virtio_gpu::VirtioGpu::Config DefaultConfig();

  virtio::FakeDriver& driver() { return *driver_; }
  const virtio_gpu::Stats& stats() const { return device_->stats(); }
  const Counters& counters() const { return *counters_; }
  uint8_t* window() {
    return device_->shared_memory_regions().at(0).host.data();
  }

  // The response's type.
  virtio_gpu::wire::Type Call(const virtio_gpu::Request& request);
  virtio_gpu::wire::Type CreateContext(uint32_t ctx_id);
  virtio_gpu::wire::Type DestroyContext(uint32_t ctx_id);
  // The control memory, mapped: resource `ctx_id`. CHECKs.
  void CreateShmem(uint32_t ctx_id);
  msm_shmem shmem(uint32_t ctx_id);
  // RESOURCE_CREATE_BLOB of a GEM_NEW.
  virtio_gpu::wire::Type CreateBlob(uint32_t ctx_id, uint32_t resource_id,
                                    uint64_t size);
  virtio_gpu::wire::Type OnResource(virtio_gpu::wire::Type type,
                                    uint32_t ctx_id, uint32_t resource_id);

  // One ccmd in a SUBMIT_3D. The answer is what was written where it belongs,
  // kRoom bytes; all 0 where nothing was.
  struct Answer {
    virtio_gpu::wire::Type type;
    uint32_t len;
    int32_t ret;
    std::vector<uint8_t> bytes;
  };
  Answer Ccmd(uint32_t ctx_id, uint32_t cmd,
              std::initializer_list<uint32_t> words,
              std::span<const uint8_t> tail = {});
  // GEM_NEW of a buffer at an address of its own, and its blob.
  virtio_gpu::wire::Type NewBuffer(uint32_t ctx_id, uint32_t resource_id,
                                   uint64_t size = kLargestPageSize);
  static uint64_t IovaOf(uint32_t resource_id);
  // GEM_SUBMIT of no commands on queue 0.
  Answer Submit(uint32_t ctx_id, uint32_t fence);

 private:
  const Counters* counters_;
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
  std::unique_ptr<virtio::FakeDriver> driver_;
  std::map<uint32_t, CcmdStream> streams_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_MSM_DRIVER_H_
