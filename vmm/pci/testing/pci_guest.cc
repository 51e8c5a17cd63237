#include "vmm/pci/testing/pci_guest.h"

#include "glog/logging.h"

namespace nacre::vmm {
namespace {

uint16_t BarOffset(int index) {
  return static_cast<uint16_t>(kPciBar0 + 4 * index);
}

}  // namespace

void PciGuest::EnableMemory(bool enable) {
  const uint16_t command = Read<uint16_t>(kPciCommand);
  Write<uint16_t>(kPciCommand,
                  static_cast<uint16_t>(enable ? command | kPciCommandMemory
                                               : command & ~kPciCommandMemory));
}

bool PciGuest::IsBar64(int index) {
  return (Read<uint32_t>(BarOffset(index)) & 0x6) == 0x4;
}

uint64_t PciGuest::ReadBar(int index) {
  uint64_t address = Read<uint32_t>(BarOffset(index)) & ~uint32_t{0xf};
  if (IsBar64(index)) {
    address |= uint64_t{Read<uint32_t>(BarOffset(index + 1))} << 32;
  }
  return address;
}

void PciGuest::WriteBar(int index, uint64_t address) {
  Write<uint32_t>(BarOffset(index), static_cast<uint32_t>(address));
  if (IsBar64(index)) {
    Write<uint32_t>(BarOffset(index + 1), static_cast<uint32_t>(address >> 32));
  }
}

uint64_t PciGuest::SizeBar(int index) {
  const uint64_t address = ReadBar(index);
  WriteBar(index, ~uint64_t{0});
  const uint64_t mask =
      ReadBar(index) | (IsBar64(index) ? 0 : 0xffff'ffff'0000'0000);
  WriteBar(index, address);
  return ~mask + 1;
}

std::vector<uint8_t> PciGuest::FindCapabilities(uint8_t id) {
  std::vector<uint8_t> found;
  if ((Read<uint16_t>(kPciStatus) & kPciStatusCapabilities) == 0) return found;
  int budget = 48;  // As many as fit.
  for (uint8_t at = Read<uint8_t>(kPciCapabilityPointer); at != 0;
       at = Read<uint8_t>(static_cast<uint16_t>(at + 1))) {
    CHECK_GT(budget--, 0) << "the capability list is a loop";
    if (Read<uint8_t>(at) == id) found.push_back(at);
  }
  return found;
}

}  // namespace nacre::vmm
