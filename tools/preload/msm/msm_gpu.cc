#include "tools/preload/msm/msm_gpu.h"

#include "base/event_fd.h"
#include "base/status_macros.h"
#include "tools/preload/msm/msm_node.h"
#include "tools/preload/summary.h"

namespace nacre::preload {

absl::StatusOr<std::unique_ptr<Gpu>> MsmGpu::Create(
    const simulator::SimulatorConfig& config, FdTable& fds) {
  std::unique_ptr<MsmGpu> gpu(new MsmGpu(fds));
  simulator::SimulatorConfig announcing = config;
  announcing.on_retired = [gpu = gpu.get()] { gpu->OnFencesSignalled(); };
  ASSIGN_OR_RETURN(gpu->device_,
                   simulator::SimulatedDevice::Create(announcing));
  return gpu;
}

std::string MsmGpu::SummaryJson() const {
  return SimulatorJson(device_->stats()) + "\n";
}

// The driver has no events.
absl::StatusOr<std::shared_ptr<RenderNode>> MsmGpu::NewNode(EventFd /*event*/) {
  return std::make_shared<MsmNode>(*this);
}

}  // namespace nacre::preload
