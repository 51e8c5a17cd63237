#ifndef NACRE_TOOLS_GUEST_KERNEL_GUEST_MACHINE_H_
#define NACRE_TOOLS_GUEST_KERNEL_GUEST_MACHINE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "simulator/simulated_device.h"
#include "tools/guest_kernel/platform.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"

namespace nacre::guest_kernel {

struct GuestConfig {
  simulator::SimulatorConfig simulator;
  // Of the host-visible window: address space, not memory. A power of two.
  uint64_t window_bytes = uint64_t{4} << 30;
};

// A virtual machine without a CPU: RAM, a PCI bus, our virtio-gpu device on it
// over the simulated GPU, and the kernel's driver for it, all in this process.
// Whoever calls the driver is the guest. Kicks and interrupts are eventfds, as
// with KVM.
//
// Its threads (the device's, the GPU's, the one that takes interrupts) have all
// signals blocked. A process may end without destroying this.
class GuestMachine {
 public:
  // InvalidArgument for an unknown chip or such a window; the errno of what
  // the machine is made of.
  static absl::StatusOr<std::unique_ptr<GuestMachine>> Create(
      const GuestConfig& config);

  // Its contexts and blobs are gone before it goes.
  VirtioGpuDriver& gpu() { return *driver_; }

  // The other side's counters, from any thread.
  const virtio_gpu::Stats& device_stats() const { return device_->stats(); }
  const msm::Counters& msm_counters() const { return msm_->counters(); }
  simulator::SimulatorStats simulator_stats() const {
    return simulator_->stats();
  }

 private:
  GuestMachine() = default;

  // In the order of their making: each is used by the next.
  std::unique_ptr<simulator::SimulatedDevice> simulator_;
  const msm::MsmContextType* msm_ = nullptr;  // The device's.
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<VirtioGpuDriver> driver_;
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_GUEST_MACHINE_H_
