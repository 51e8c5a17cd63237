#include "vmm/pci/config_space.h"

#include <algorithm>

#include "glog/logging.h"

namespace nacre::vmm {

ConfigSpace::ConfigSpace(const PciIdentity& identity) {
  Set<uint16_t>(kPciVendorId, identity.vendor_id);
  Set<uint16_t>(kPciDeviceId, identity.device_id);
  // The programming interface, between the two, stays 0.
  Set<uint8_t>(kPciRevision, identity.revision);
  Set<uint16_t>(kPciRevision + 2, identity.device_class);
  Set<uint16_t>(kPciSubsystemVendorId, identity.subsystem_vendor_id);
  Set<uint16_t>(kPciSubsystemId, identity.subsystem_id);
  // I/O decoding is hardwired to 0: there are no I/O BARs.
  SetWritable<uint16_t>(kPciCommand, kPciCommandMemory | kPciCommandMaster |
                                         kPciCommandIntxDisable);
  // Scratch that system software expects to be able to write.
  SetWritable<uint8_t>(kPciCacheLineSize, 0xff);
  SetWritable<uint8_t>(kPciInterruptLine, 0xff);
}

uint8_t ConfigSpace::AddCapability(uint8_t id, std::span<const uint8_t> body,
                                   std::span<const uint8_t> writable) {
  const uint16_t offset = next_capability_;
  CHECK_LE(offset + 2 + body.size(), size_t{kSize});
  CHECK(writable.empty() || writable.size() == body.size());
  Set<uint8_t>(offset, id);
  std::copy(body.begin(), body.end(), bytes_.begin() + offset + 2);
  std::copy(writable.begin(), writable.end(), writable_.begin() + offset + 2);
  Set<uint8_t>(last_link_, static_cast<uint8_t>(offset));
  last_link_ = offset + 1;
  // Capabilities begin on a dword.
  next_capability_ =
      static_cast<uint16_t>((offset + 2 + body.size() + 3) & ~size_t{3});
  Set<uint16_t>(kPciStatus, Get<uint16_t>(kPciStatus) | kPciStatusCapabilities);
  return static_cast<uint8_t>(offset);
}

void ConfigSpace::Read(uint16_t offset, std::span<uint8_t> data) const {
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = offset + i < kSize ? bytes_[offset + i] : 0;
  }
}

void ConfigSpace::Write(uint16_t offset, std::span<const uint8_t> data) {
  for (size_t i = 0; i < data.size() && offset + i < kSize; ++i) {
    const uint8_t mask = writable_[offset + i];
    uint8_t& byte = bytes_[offset + i];
    byte = static_cast<uint8_t>((byte & ~mask) | (data[i] & mask));
  }
}

}  // namespace nacre::vmm
