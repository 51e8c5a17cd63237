#include "vmm/pci/pci_bus.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace nacre::vmm {
namespace {

// The generic PCI Express host bridge of the virtualization vendor id that
// Linux has no quirk for. x86 guests without ACPI believe in the ports only
// when they find a host bridge.
constexpr PciIdentity kHostBridge = {
    .vendor_id = 0x1b36, .device_id = 0x0008, .device_class = 0x0600};

void FillOnes(std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), uint8_t{0xff});
}

struct ConfigTarget {
  uint16_t function;
  uint16_t offset;
};

// Nullopt for an access that crosses into the next function.
std::optional<ConfigTarget> EcamTarget(uint64_t offset, size_t size) {
  const uint16_t in_function = offset & 0xfff;
  if (in_function + size > 0x1000 || (offset >> 28) != 0) return std::nullopt;
  return ConfigTarget{static_cast<uint16_t>(offset >> 12), in_function};
}

// `offset` is from the address register, as the ports lie. Nullopt where the
// access is not wholly in the window or nothing is selected.
std::optional<ConfigTarget> PortTarget(uint32_t address, uint64_t offset,
                                       size_t size) {
  constexpr uint32_t kEnable = 0x8000'0000;
  if (offset < 4 || offset + size > 8 || (address & kEnable) == 0) {
    return std::nullopt;
  }
  return ConfigTarget{static_cast<uint16_t>(address >> 8),
                      static_cast<uint16_t>((address & 0xfc) + offset - 4)};
}

}  // namespace

PciBus::PciBus(const PciWindows& windows) : allocator_(windows) {
  devices_[0] = std::make_unique<PciDevice>(kHostBridge);
}

absl::Status PciBus::Add(PciAddress address,
                         std::unique_ptr<PciDevice> device) {
  MutexLock lock(mutex_);
  if (address.device >= devices_.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("PCI device number %d: must be below %d",
                        address.device, devices_.size()));
  }
  std::unique_ptr<PciDevice>& place = devices_[address.device];
  if (place != nullptr) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "PCI device number %d is in use: choose another", address.device));
  }
  RETURN_IF_ERROR(device->AssignBars(allocator_));
  place = std::move(device);
  return absl::OkStatus();
}

PciDevice* PciBus::Find(uint16_t function) {
  // Bus in the upper byte, function number in the lowest three bits.
  if ((function & 0xff07) != 0) return nullptr;
  return devices_[function >> 3].get();
}

void PciBus::ReadConfig(uint16_t function, uint16_t offset,
                        std::span<uint8_t> data) {
  MutexLock lock(mutex_);
  if (PciDevice* device = Find(function); device != nullptr) {
    device->ReadConfig(offset, data);
  } else {
    FillOnes(data);
  }
}

void PciBus::WriteConfig(uint16_t function, uint16_t offset,
                         std::span<const uint8_t> data) {
  MutexLock lock(mutex_);
  if (PciDevice* device = Find(function); device != nullptr) {
    device->WriteConfig(offset, data);
  }
}

void PciBus::Reset() {
  MutexLock lock(mutex_);
  for (const std::unique_ptr<PciDevice>& device : devices_) {
    if (device != nullptr) device->Reset();
  }
}

void PciConfigPorts::Read(uint64_t offset, std::span<uint8_t> data) {
  const uint32_t address = address_;
  if (offset == 0 && data.size() == sizeof(address)) {
    std::memcpy(data.data(), &address, sizeof(address));
  } else if (const std::optional<ConfigTarget> target =
                 PortTarget(address, offset, data.size())) {
    bus_->ReadConfig(target->function, target->offset, data);
  } else {
    FillOnes(data);
  }
}

void PciConfigPorts::Write(uint64_t offset, std::span<const uint8_t> data) {
  // The register is 32 bits wide and nothing less: Linux writes a byte to
  // 0xcfb to see that it makes no difference.
  if (offset == 0 && data.size() == sizeof(uint32_t)) {
    uint32_t address = 0;
    std::memcpy(&address, data.data(), sizeof(address));
    address_ = address;
  } else if (const std::optional<ConfigTarget> target =
                 PortTarget(address_, offset, data.size())) {
    bus_->WriteConfig(target->function, target->offset, data);
  }
}

void PciEcam::Read(uint64_t offset, std::span<uint8_t> data) {
  if (const std::optional<ConfigTarget> target =
          EcamTarget(offset, data.size())) {
    bus_->ReadConfig(target->function, target->offset, data);
  } else {
    FillOnes(data);
  }
}

void PciEcam::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (const std::optional<ConfigTarget> target =
          EcamTarget(offset, data.size())) {
    bus_->WriteConfig(target->function, target->offset, data);
  }
}

}  // namespace nacre::vmm
