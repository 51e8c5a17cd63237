#include "tools/guest_kernel/guest_machine.h"

#include <signal.h>

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "base/status_macros.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio_gpu/display/headless_sink.h"

namespace nacre::guest_kernel {
namespace {

constexpr vmm::PciAddress kGpuAddress = {.device = 1};
constexpr uint16_t kDisplayClass = 0x0380;

// While it lives, threads that this one makes get no signal: the program's
// handlers are for its own threads.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GuestMachine>> GuestMachine::Create(
    const GuestConfig& config) {
  const AllSignalsBlocked blocked;
  auto machine = absl::WrapUnique(new GuestMachine());
  ASSIGN_OR_RETURN(machine->simulator_,
                   simulator::SimulatedDevice::Create(config.simulator));
  ASSIGN_OR_RETURN(std::unique_ptr<msm::MsmContextType> context_type,
                   msm::MsmContextType::Create(*machine->simulator_));
  machine->msm_ = context_type.get();
  std::vector<std::unique_ptr<virtio_gpu::ContextType>> context_types;
  context_types.push_back(std::move(context_type));

  virtio_gpu::VirtioGpu::Config device_config;
  device_config.num_scanouts = 0;
  device_config.window_bytes = config.window_bytes;
  ASSIGN_OR_RETURN(machine->device_,
                   virtio_gpu::VirtioGpu::Create(
                       device_config, std::move(context_types),
                       std::make_unique<virtio_gpu::HeadlessSink>(
                           virtio_gpu::HeadlessSink::Keep::kCounts)));

  ASSIGN_OR_RETURN(machine->platform_,
                   Platform::Create(VirtioGpuDriver::kRamBytes));
  Platform& platform = *machine->platform_;
  ASSIGN_OR_RETURN(std::unique_ptr<virtio::PciTransport> transport,
                   virtio::PciTransport::Create(
                       machine->device_.get(), kGpuAddress, kDisplayClass,
                       {.memory = &platform.memory,
                        .mmio_bus = &platform.mmio,
                        .kick_binder = &platform.kicks,
                        .memory_windows = &platform.windows,
                        .msi_controller = platform.interrupts.get()}));
  RETURN_IF_ERROR(platform.pci.Add(kGpuAddress, std::move(transport)));
  ASSIGN_OR_RETURN(machine->driver_,
                   VirtioGpuDriver::Probe(&platform, kGpuAddress));
  return machine;
}

}  // namespace nacre::guest_kernel
