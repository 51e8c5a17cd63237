#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_SUMMARY_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_SUMMARY_H_

#include <string>

#include "devices/virtio_gpu/stats.h"
#include "simulator/stats.h"
#include "tools/guest_kernel/counters.h"
#include "tools/preload/virtgpu/execbuffer_counters.h"

namespace nacre::preload {

// What every layer counted, from the program down to the GPU.
struct GuestStats {
  const simulator::SimulatorStats& simulator;
  const virtio_gpu::Stats& device;
  const guest_kernel::DriverCounters& driver;
  const ExecbufferCounters& execbuffers;
};

// JSON: an object with "simulator" as SimulatorJson writes it, "device",
// "guest" and "execbuffers". Numbers are strings, as in protobuf's JSON.
std::string GuestJson(const GuestStats& stats);

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_SUMMARY_H_
