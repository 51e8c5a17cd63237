#ifndef NACRE_TOOLS_GUEST_KERNEL_GUEST_MACHINE_H_
#define NACRE_TOOLS_GUEST_KERNEL_GUEST_MACHINE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/stats.h"
#include "simulator/simulated_device.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"

namespace nacre::guest_kernel {

struct GuestConfig {
  simulator::SimulatorConfig simulator;
  // Address space, not memory. A power of two.
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
  // All contexts and blobs are gone before. Fences that are pending never
  // signal.
  ~GuestMachine();

  VirtioGpuDriver& gpu();

  // The other side's counters, from any thread.
  const virtio_gpu::Stats& device_stats() const;
  const msm::Counters& msm_counters() const;
  simulator::SimulatorStats simulator_stats() const;

 private:
  class Impl;
  explicit GuestMachine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_GUEST_MACHINE_H_
