#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_GPU_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_GPU_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "simulator/simulated_device.h"
#include "tools/guest_kernel/guest_machine.h"
#include "tools/preload/gpu.h"
#include "tools/preload/pending_work.h"
#include "tools/preload/virtgpu/execbuffer_counters.h"
#include "tools/preload/virtgpu/virtgpu_fence.h"

namespace nacre::preload {

// A guest's GPU: our virtio-gpu device over the simulated one, and the guest
// kernel's driver for it. All of its fences are VirtgpuFences.
class VirtgpuGpu final : public Gpu {
 public:
  // InvalidArgument for an unknown chip. `fds` must outlive this.
  static absl::StatusOr<std::unique_ptr<Gpu>> Create(
      const simulator::SimulatorConfig& config, FdTable& fds);

  // Fences that are pending hold buffers, which must be gone before the driver:
  // waits a little for the device to have done what it was told.
  ~VirtgpuGpu() override;

  guest_kernel::VirtioGpuDriver& driver() { return machine_->gpu(); }
  ExecbufferCounters& execbuffers() { return execbuffers_; }

  // The driver's fence, announced when it signals.
  std::shared_ptr<const VirtgpuFence> Announced(
      std::shared_ptr<guest_kernel::Fence> fence);

  // GuestJson. Waits in the same way.
  std::string SummaryJson() const override;

 private:
  explicit VirtgpuGpu(FdTable& fds) : Gpu(fds) {}

  void AwaitAnswers() const;
  absl::StatusOr<std::shared_ptr<RenderNode>> NewNode(EventFd event) override;

  ExecbufferCounters execbuffers_;
  // Ends first: its threads announce fences.
  std::unique_ptr<guest_kernel::GuestMachine> machine_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_GPU_H_
