#include "tools/preload/virtgpu/virtgpu_gpu.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/event_fd.h"
#include "base/status_macros.h"
#include "tools/preload/virtgpu/virtgpu_node.h"
#include "tools/preload/virtgpu/virtgpu_summary.h"

namespace nacre::preload {

absl::StatusOr<std::unique_ptr<Gpu>> VirtgpuGpu::Create(
    const simulator::SimulatorConfig& config, FdTable& fds) {
  std::unique_ptr<VirtgpuGpu> gpu(new VirtgpuGpu(fds));
  ASSIGN_OR_RETURN(gpu->machine_,
                   guest_kernel::GuestMachine::Create({.simulator = config}));
  return gpu;
}

VirtgpuGpu::~VirtgpuGpu() {
  if (machine_ != nullptr) AwaitAnswers();
}

std::shared_ptr<const VirtgpuFence> VirtgpuGpu::Announced(
    std::shared_ptr<guest_kernel::Fence> fence) {
  auto announced = std::make_shared<const VirtgpuFence>(std::move(fence));
  announced->get().OnSignal([this] { OnFencesSignalled(); });
  return announced;
}

void VirtgpuGpu::AwaitAnswers() const {
  constexpr std::chrono::seconds kPatience(1);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const guest_kernel::DriverCounters& counters = machine_->gpu().counters();
  while (counters.reaped.value() < counters.commands.value() &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::string VirtgpuGpu::SummaryJson() const {
  AwaitAnswers();
  return GuestJson({.simulator = machine_->simulator_stats(),
                    .device = machine_->device_stats(),
                    .driver = machine_->gpu().counters(),
                    .execbuffers = execbuffers_});
}

absl::StatusOr<std::shared_ptr<RenderNode>> VirtgpuGpu::NewNode(EventFd event) {
  return std::make_shared<VirtgpuNode>(*this, std::move(event));
}

}  // namespace nacre::preload
