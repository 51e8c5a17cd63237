#ifndef NACRE_VMM_PCI_TESTING_PCI_GUEST_H_
#define NACRE_VMM_PCI_TESTING_PCI_GUEST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "vmm/pci/config_space.h"
#include "vmm/pci/pci_bus.h"

namespace nacre::vmm {

// One function as the guest's PCI code sees it, through ECAM.
class PciGuest {
 public:
  PciGuest(PciBus* bus, PciAddress address)
      : ecam_(bus), base_(uint64_t{address.device} << 15) {}

  template <WireType T>
  T Read(uint16_t offset) {
    T value;
    ecam_.Read(base_ + offset, AsWritableBytes(value));
    return value;
  }
  template <WireType T>
  void Write(uint16_t offset, T value) {
    ecam_.Write(base_ + offset, AsBytes(value));
  }

  // Turns decoding of the BARs on or off.
  void EnableMemory(bool enable);
  // The address a 32-bit or a 64-bit BAR is programmed to.
  uint64_t ReadBar(int index);
  void WriteBar(int index, uint64_t address);
  // Its size, by the sizing protocol (PCI 3.0, 6.2.5.1), as Linux does it.
  uint64_t SizeBar(int index);
  bool IsBar64(int index);

  // Offsets of the capabilities with this id, in the order of the list.
  std::vector<uint8_t> FindCapabilities(uint8_t id);

 private:
  PciEcam ecam_;
  uint64_t base_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_TESTING_PCI_GUEST_H_
