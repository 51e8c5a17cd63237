#ifndef NACRE_NACRE_STRESS_LOCAL_GPU_H_
#define NACRE_NACRE_STRESS_LOCAL_GPU_H_

#include <cstdint>
#include <memory>

#include "devices/virtio_gpu/blob_window.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "nacre/stress/desktop.h"
#include "simulator/simulated_device.h"

namespace nacre {

// A device with a simulated GPU beneath, in this process, and what each layer
// counts.
class LocalGpu {
 public:
  struct Options {
    uint64_t window_bytes = uint64_t{64} << 20;
    // Null for one of window_bytes.
    std::unique_ptr<virtio_gpu::BlobWindow> window = nullptr;
    simulator::SimulatorConfig simulator = {};
  };

  explicit LocalGpu(Options options);

  virtio_gpu::VirtioGpu& device() { return *device_; }
  const virtio_gpu::Stats& stats() const { return device_->stats(); }
  const msm::Counters& counters() const { return *counters_; }
  const simulator::SimulatedDevice& simulator() const { return *simulator_; }
  const virtio_gpu::HeadlessSink& sink() const { return *sink_; }

  // Contexts, resources, mapped blobs, pending fences, open files of the GPU,
  // its buffers: what all of them count as there.
  uint64_t Left() const;

 private:
  // In the order of their making: each is used by the next.
  const std::unique_ptr<simulator::SimulatedDevice> simulator_;
  const msm::Counters* counters_;         // The device's.
  const virtio_gpu::HeadlessSink* sink_;  // The device's.
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_LOCAL_GPU_H_
