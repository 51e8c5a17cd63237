#ifndef NACRE_NACRE_GPU_H_
#define NACRE_NACRE_GPU_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/blob_window.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"
#include "nacre/gpu_backend.h"
#include "proto/vm_config.pb.h"
#include "proto/vm_summary.pb.h"
#include "simulator/simulated_device.h"

namespace nacre {

// The virtio-gpu device of a machine with all that is below it: the msm context
// type and a GPU, real or simulated. This is where an embedder's own
// composition would differ.
class GpuStack final : public GpuBackend {
 public:
  // What a process that is confined cannot do itself.
  struct Host {
    // Opens the render node; empty for opening Gpu.device.
    msm::LibdrmDevice::NodeOpener open_node;
    // Null for one in this process.
    std::unique_ptr<virtio_gpu::BlobWindow> window;
    // vmm::GuestsAreAlwaysCached; asked for where it is not given.
    std::optional<bool> guests_always_cached;
  };

  // `config.device` is not "none". Errors, one line that says what would be
  // right: an unknown simulated chip, a render node that is missing, not msm or
  // too old.
  static absl::StatusOr<std::unique_ptr<GpuStack>> Create(const Gpu& config,
                                                          Host host);

  virtio_gpu::VirtioGpu& device() override { return *device_; }

  // From any thread.
  GpuSummary Summary() override;

 private:
  GpuStack() = default;

  std::string name_;
  // In the order of their making: each is used by the next.
  std::unique_ptr<msm::DrmDevice> drm_;
  const simulator::SimulatedDevice* simulator_ = nullptr;  // drm_, or null.
  const msm::MsmContextType* msm_ = nullptr;               // The device's.
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
};

}  // namespace nacre

#endif  // NACRE_NACRE_GPU_H_
