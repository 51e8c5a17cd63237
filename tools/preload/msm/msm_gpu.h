#ifndef NACRE_TOOLS_PRELOAD_MSM_MSM_GPU_H_
#define NACRE_TOOLS_PRELOAD_MSM_MSM_GPU_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "simulator/fence.h"
#include "simulator/simulated_device.h"
#include "tools/preload/fence.h"
#include "tools/preload/gpu.h"

namespace nacre::preload {

// A submission's fence.
class MsmFence final : public Fence {
 public:
  explicit MsmFence(std::shared_ptr<simulator::Fence> fence)
      : fence_(std::move(fence)) {}

  bool signalled() const override { return fence_->signalled(); }
  uint64_t context() const override { return fence_->context(); }
  const char* driver_name() const override { return "msm"; }
  const char* timeline_name() const override { return "gpu-ring-0"; }

  const std::shared_ptr<simulator::Fence>& get() const { return fence_; }

 private:
  const std::shared_ptr<simulator::Fence> fence_;
};

// The simulated GPU with the msm driver. All of its fences are MsmFences.
class MsmGpu final : public Gpu {
 public:
  // InvalidArgument for an unknown chip. `fds` must outlive this.
  static absl::StatusOr<std::unique_ptr<Gpu>> Create(
      const simulator::SimulatorConfig& config, FdTable& fds);

  simulator::SimulatedDevice& device() { return *device_; }

  std::string SummaryJson() const override;

 private:
  explicit MsmGpu(FdTable& fds) : Gpu(fds) {}

  absl::StatusOr<std::shared_ptr<RenderNode>> NewNode(EventFd event) override;

  // Ends first: its thread announces changes.
  std::unique_ptr<simulator::SimulatedDevice> device_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_MSM_MSM_GPU_H_
