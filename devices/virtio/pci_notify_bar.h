#ifndef NACRE_DEVICES_VIRTIO_PCI_NOTIFY_BAR_H_
#define NACRE_DEVICES_VIRTIO_PCI_NOTIFY_BAR_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "vmm/hypervisor.h"
#include "vmm/io_bus.h"
#include "vmm/io_device.h"
#include "vmm/pci/bar.h"

namespace nacre::virtio {

// A register BAR in which some addresses are kicks: a guest write there
// signals an eventfd, without an exit where the hypervisor can do that. Where
// it cannot, the write arrives as an access to the registers.
class PciNotifyBar : public vmm::BarBacking {
 public:
  struct Kick {
    uint64_t offset;  // In the BAR.
    const EventFd* event;
  };

  // Everything pointed to outlives this.
  PciNotifyBar(vmm::IoBus* bus, uint64_t size, vmm::IoDevice* registers,
               vmm::KickBinder* binder, std::vector<Kick> kicks);

  absl::Status Map(uint64_t address) override;
  absl::Status Unmap(uint64_t address) override;

 private:
  vmm::RegisterBar registers_;
  vmm::KickBinder* const binder_;
  const std::vector<Kick> kicks_;
  std::vector<bool> bound_;  // By kick.
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_PCI_NOTIFY_BAR_H_
