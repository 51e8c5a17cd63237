#ifndef NACRE_NACRE_GPU_LIMITS_H_
#define NACRE_NACRE_GPU_LIMITS_H_

#include "absl/status/status.h"
#include "devices/virtio_gpu/limits.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "proto/vm_config.pb.h"
#include "simulator/simulated_device.h"

namespace nacre {

// Gpu.limits of a VmConfig, as each layer takes them. What the config has no
// field for has the layer's default.

// InvalidArgument: the field, what it is and what it may be, in one line.
absl::Status ValidateGpuLimits(const Gpu& config);

// `config` is valid. Of the VMM's window and of the device, wherever each is.
virtio_gpu::Limits DeviceLimitsOf(const Gpu& config);
msm::Limits MsmLimitsOf(const Gpu& config);
// Has none of a simulated GPU's own limits below those.
void MakeRoom(const Gpu& config, simulator::SimulatorConfig& simulator);

}  // namespace nacre

#endif  // NACRE_NACRE_GPU_LIMITS_H_
