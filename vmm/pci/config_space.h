#ifndef NACRE_VMM_PCI_CONFIG_SPACE_H_
#define NACRE_VMM_PCI_CONFIG_SPACE_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace nacre::vmm {

// Offsets in a type 0 header (PCI 3.0, 6.1; linux/pci_regs.h).
inline constexpr uint16_t kPciVendorId = 0x00;
inline constexpr uint16_t kPciDeviceId = 0x02;
inline constexpr uint16_t kPciCommand = 0x04;
inline constexpr uint16_t kPciStatus = 0x06;
inline constexpr uint16_t kPciRevision = 0x08;  // The class code follows.
inline constexpr uint16_t kPciCacheLineSize = 0x0c;
inline constexpr uint16_t kPciHeaderType = 0x0e;
inline constexpr uint16_t kPciBar0 = 0x10;
inline constexpr uint16_t kPciSubsystemVendorId = 0x2c;
inline constexpr uint16_t kPciSubsystemId = 0x2e;
inline constexpr uint16_t kPciCapabilityPointer = 0x34;
inline constexpr uint16_t kPciInterruptLine = 0x3c;

inline constexpr uint16_t kPciCommandMemory = 0x0002;
inline constexpr uint16_t kPciCommandMaster = 0x0004;
inline constexpr uint16_t kPciCommandIntxDisable = 0x0400;
inline constexpr uint16_t kPciStatusCapabilities = 0x0010;

// Who a function says it is.
struct PciIdentity {
  uint16_t vendor_id = 0;
  uint16_t device_id = 0;
  uint8_t revision = 0;
  uint16_t device_class = 0;  // Base class, then subclass: 0x0600, host bridge.
  uint16_t subsystem_vendor_id = 0;
  uint16_t subsystem_id = 0;
};

// The 256 bytes of configuration space of one function, as bytes that the guest
// reads and partly writes: which bits it may change is a mask. What a change
// means is for the owner to see afterwards. Beyond them it reads as zero, which
// is an empty list of extended capabilities. Plain data, copyable: a copy made
// at power-on is what a reset goes back to.
class ConfigSpace {
 public:
  static constexpr uint16_t kSize = 256;

  // A type 0 header of a single-function device without interrupt pin, BARs or
  // capabilities, that decodes nothing yet.
  explicit ConfigSpace(const PciIdentity& identity);

  // Appends a capability (PCI 3.0, 6.7) of `id`, `body` being what follows the
  // two bytes of id and next pointer, and the guest may write the bits set in
  // `writable`, as long as the body or empty. Returns its offset. CHECKs that
  // there is room.
  uint8_t AddCapability(uint8_t id, std::span<const uint8_t> body,
                        std::span<const uint8_t> writable = {});

  // The guest's accesses, of any offset and size.
  void Read(uint16_t offset, std::span<uint8_t> data) const;
  void Write(uint16_t offset, std::span<const uint8_t> data);

  // The owner's. `offset` lies within the space.
  template <WireType T>
  T Get(uint16_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  template <WireType T>
  void Set(uint16_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(T));
  }
  // Lets the guest change the bits that are set in `mask`.
  template <WireType T>
  void SetWritable(uint16_t offset, T mask) {
    std::memcpy(writable_.data() + offset, &mask, sizeof(T));
  }

 private:
  std::array<uint8_t, kSize> bytes_{};
  std::array<uint8_t, kSize> writable_{};
  uint16_t next_capability_ = 0x40;
  uint16_t last_link_ = kPciCapabilityPointer;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_CONFIG_SPACE_H_
