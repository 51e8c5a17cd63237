#ifndef NACRE_DEVICES_VIRTIO_PCI_CAPABILITIES_H_
#define NACRE_DEVICES_VIRTIO_PCI_CAPABILITIES_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "vmm/pci/config_space.h"

namespace nacre::virtio {

// The capabilities by which a virtio PCI device says where its structures are
// (virtio 1.x, 4.1.4; struct virtio_pci_cap in linux/virtio_pci.h).

// cfg_type of the structures.
inline constexpr uint8_t kStructureCommon = 1;
inline constexpr uint8_t kStructureIsr = 3;
inline constexpr uint8_t kStructureDevice = 4;

void AddStructureCapability(vmm::ConfigSpace& config, uint8_t cfg_type,
                            uint8_t bar, uint32_t offset, uint32_t length);

// 4.1.4.4: queue i's notify address is `offset` + i * `multiplier`.
void AddNotifyCapability(vmm::ConfigSpace& config, uint8_t bar, uint32_t offset,
                         uint32_t length, uint32_t multiplier);

// 4.1.4.7: a shared memory region that is all of a BAR.
void AddSharedMemoryCapability(vmm::ConfigSpace& config, uint8_t bar,
                               uint8_t id, uint64_t size);

// A PCI power management capability (PCI PM 1.2, 3.2) that says No_Soft_Reset:
// Linux from 6.12 on then leaves the device alone over a suspend, which
// virtio-gpu drivers do not survive otherwise. Power states are kept and mean
// nothing.
void AddPowerManagementCapability(vmm::ConfigSpace& config);

// 4.1.4.9: a window in configuration space onto a register BAR, for software
// that cannot map it. The guest says where, then accesses the data field.
class ConfigWindow {
 public:
  struct Target {
    uint32_t offset;  // In the BAR.
    uint32_t length;  // 1, 2 or 4; `offset` is a multiple of it.
  };

  static ConfigWindow Add(vmm::ConfigSpace& config);

  // What a guest's access to [offset, offset + size) of configuration space
  // stands for, where BAR `bar` has `bar_size` bytes of registers; nullopt for
  // an access that misses the data field, or where the guest asks for what it
  // must not.
  std::optional<Target> Find(const vmm::ConfigSpace& config, uint16_t offset,
                             size_t size, uint8_t bar, uint64_t bar_size) const;
  // Of the data field.
  uint16_t data_offset() const;

 private:
  explicit ConfigWindow(uint8_t capability) : capability_(capability) {}
  uint8_t capability_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_PCI_CAPABILITIES_H_
