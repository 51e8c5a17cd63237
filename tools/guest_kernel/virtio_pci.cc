#include "tools/guest_kernel/virtio_pci.h"

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "devices/virtio/common_config.h"
#include "vmm/pci/config_space.h"
#include "vmm/pci/msix.h"

namespace nacre::guest_kernel {
namespace {

constexpr uint16_t kVirtioVendor = 0x1af4;

// PCI capability ids.
constexpr uint8_t kVendorCapability = 0x09;
constexpr uint8_t kMsixCapability = 0x11;

// virtio_pci_cap.cfg_type, and offsets in it (virtio 1.x, 4.1.4).
constexpr uint8_t kCommonStructure = 1;
constexpr uint8_t kNotifyStructure = 2;
constexpr uint8_t kDeviceStructure = 4;
constexpr uint8_t kSharedMemoryStructure = 8;
constexpr uint64_t kLengthOfCapability = 2;
constexpr uint64_t kStructureType = 3;
constexpr uint64_t kStructureBar = 4;
constexpr uint64_t kStructureId = 5;
constexpr uint64_t kStructureOffset = 8;
constexpr uint64_t kStructureLength = 12;
constexpr uint64_t kStructureOffsetHigh = 16;
constexpr uint64_t kStructureLengthHigh = 20;
constexpr uint64_t kStructureMultiplier = 16;
constexpr uint8_t kLengthOf64BitForm = 24;

// struct virtio_pci_common_cfg (4.1.4.3).
constexpr uint64_t kDeviceFeatureSelect = 0;
constexpr uint64_t kDeviceFeature = 4;
constexpr uint64_t kDriverFeatureSelect = 8;
constexpr uint64_t kDriverFeature = 12;
constexpr uint64_t kConfigVector = 16;
constexpr uint64_t kDeviceStatus = 20;
constexpr uint64_t kQueueSelect = 22;
constexpr uint64_t kQueueSize = 24;
constexpr uint64_t kQueueVector = 26;
constexpr uint64_t kQueueEnable = 28;
constexpr uint64_t kQueueNotifyOff = 30;
constexpr uint64_t kQueueDesc = 32;
constexpr uint64_t kQueueDriver = 40;
constexpr uint64_t kQueueDevice = 48;

// Where x86's CPU 0 takes messages.
constexpr uint32_t kMessageAddress = 0xfee0'0000;

}  // namespace

VirtioPciDevice::VirtioPciDevice(Platform* platform, vmm::PciAddress address)
    : platform_(platform),
      ecam_(&platform->pci),
      base_(uint64_t{address.requester_id()} << 12) {}

absl::StatusOr<std::unique_ptr<VirtioPciDevice>> VirtioPciDevice::Probe(
    Platform* platform, vmm::PciAddress address) {
  auto device = absl::WrapUnique(new VirtioPciDevice(platform, address));
  if (device->ReadPci<uint16_t>(vmm::kPciVendorId) != kVirtioVendor) {
    return absl::NotFoundError("no virtio device at its PCI address");
  }
  RETURN_IF_ERROR(device->FindStructures());
  device->WritePci<uint16_t>(
      vmm::kPciCommand, device->ReadPci<uint16_t>(vmm::kPciCommand) |
                            vmm::kPciCommandMemory | vmm::kPciCommandMaster);
  RETURN_IF_ERROR(device->EnableMsix());
  device->Reset();
  return device;
}

std::vector<uint16_t> VirtioPciDevice::FindCapabilities(uint8_t id) {
  std::vector<uint16_t> found;
  for (uint16_t at = ReadPci<uint8_t>(vmm::kPciCapabilityPointer); at != 0;
       at = ReadPci<uint8_t>(at + uint64_t{1})) {
    if (ReadPci<uint8_t>(at) == id) found.push_back(at);
  }
  return found;
}

uint64_t VirtioPciDevice::BarAddress(uint8_t bar) {
  const uint64_t offset = vmm::kPciBar0 + uint64_t{4} * bar;
  const uint32_t low = ReadPci<uint32_t>(offset);
  const bool is_64_bit = (low & 0x6) == 0x4;
  const uint64_t high = is_64_bit ? ReadPci<uint32_t>(offset + 4) : 0;
  return high << 32 | (low & ~uint32_t{0xf});
}

std::optional<VirtioPciDevice::Structure> VirtioPciDevice::Find(
    uint8_t cfg_type, uint8_t id) {
  for (const uint16_t at : FindCapabilities(kVendorCapability)) {
    if (ReadPci<uint8_t>(at + kStructureType) != cfg_type ||
        ReadPci<uint8_t>(at + kStructureId) != id) {
      continue;
    }
    uint64_t offset = ReadPci<uint32_t>(at + kStructureOffset);
    uint64_t length = ReadPci<uint32_t>(at + kStructureLength);
    if (ReadPci<uint8_t>(at + kLengthOfCapability) == kLengthOf64BitForm) {
      offset |= uint64_t{ReadPci<uint32_t>(at + kStructureOffsetHigh)} << 32;
      length |= uint64_t{ReadPci<uint32_t>(at + kStructureLengthHigh)} << 32;
    }
    const uint8_t bar = ReadPci<uint8_t>(at + kStructureBar);
    return Structure{.capability = at,
                     .address = BarAddress(bar) + offset,
                     .length = length};
  }
  return std::nullopt;
}

absl::Status VirtioPciDevice::FindStructures() {
  const auto common = Find(kCommonStructure);
  const auto notify = Find(kNotifyStructure);
  const auto config = Find(kDeviceStructure);
  if (!common || !notify || !config) {
    return absl::NotFoundError("the virtio device lacks a structure");
  }
  common_ = common->address;
  notify_ = notify->address;
  notify_multiplier_ =
      ReadPci<uint32_t>(notify->capability + kStructureMultiplier);
  config_ = config->address;
  return absl::OkStatus();
}

absl::Status VirtioPciDevice::EnableMsix() {
  const std::vector<uint16_t> found = FindCapabilities(kMsixCapability);
  if (found.empty()) {
    return absl::NotFoundError("the virtio device has no MSI-X");
  }
  const uint64_t msix = found.front();
  const uint64_t control_at = msix + vmm::Msix::kControlOffset;
  const uint16_t control = ReadPci<uint16_t>(control_at);
  const uint32_t vectors = (control & 0x7ffu) + 1;
  const uint32_t table = ReadPci<uint32_t>(msix + 4);
  const uint64_t entries = BarAddress(table & 7) + (table & ~uint32_t{7});
  WritePci<uint16_t>(control_at,
                     control | vmm::Msix::kEnable | vmm::Msix::kFunctionMask);
  for (uint32_t i = 0; i < vectors; ++i) {
    const uint64_t entry = entries + uint64_t{vmm::Msix::kEntrySize} * i;
    Write<uint32_t>(entry, kMessageAddress);
    Write<uint32_t>(entry + 4, 0);
    Write<uint32_t>(entry + 8, i);
    Write<uint32_t>(entry + 12, 0);
  }
  WritePci<uint16_t>(control_at, control | vmm::Msix::kEnable);
  return absl::OkStatus();
}

uint64_t VirtioPciDevice::ReadDeviceFeatures() {
  uint64_t features = 0;
  for (uint32_t word = 0; word < 2; ++word) {
    Write<uint32_t>(common_ + kDeviceFeatureSelect, word);
    features |= uint64_t{Read<uint32_t>(common_ + kDeviceFeature)}
                << (32 * word);
  }
  return features;
}

absl::Status VirtioPciDevice::Negotiate(uint64_t features) {
  const uint64_t status = common_ + kDeviceStatus;
  Write<uint8_t>(status, virtio::kStatusAcknowledge);
  Write<uint8_t>(status, virtio::kStatusAcknowledge | virtio::kStatusDriver);
  for (uint32_t word = 0; word < 2; ++word) {
    Write<uint32_t>(common_ + kDriverFeatureSelect, word);
    Write<uint32_t>(common_ + kDriverFeature,
                    static_cast<uint32_t>(features >> (32 * word)));
  }
  Write<uint8_t>(status, virtio::kStatusAcknowledge | virtio::kStatusDriver |
                             virtio::kStatusFeaturesOk);
  if ((Read<uint8_t>(status) & virtio::kStatusFeaturesOk) == 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("the device refuses the features %#x", features));
  }
  return absl::OkStatus();
}

uint16_t VirtioPciDevice::MaxQueueSize(uint16_t index) {
  Write<uint16_t>(common_ + kQueueSelect, index);
  return Read<uint16_t>(common_ + kQueueSize);
}

absl::StatusOr<const EventFd*> VirtioPciDevice::SetUpQueue(
    uint16_t index, uint16_t size, const QueueAddresses& addresses) {
  Write<uint16_t>(common_ + kQueueSelect, index);
  Write<uint16_t>(common_ + kQueueSize, size);
  Write<uint64_t>(common_ + kQueueDesc, addresses.descriptor_table);
  Write<uint64_t>(common_ + kQueueDriver, addresses.available_ring);
  Write<uint64_t>(common_ + kQueueDevice, addresses.used_ring);
  Write<uint16_t>(common_ + kQueueVector, static_cast<uint16_t>(1 + index));
  Write<uint16_t>(common_ + kQueueEnable, 1);
  const uint64_t notify_at =
      notify_ +
      uint64_t{Read<uint16_t>(common_ + kQueueNotifyOff)} * notify_multiplier_;
  const EventFd* const kick = platform_->kicks.Find(notify_at);
  if (kick == nullptr) return absl::InternalError("no eventfd for kicks");
  return kick;
}

void VirtioPciDevice::SetDriverOk() {
  Write<uint16_t>(common_ + kConfigVector, 0);
  Write<uint8_t>(
      common_ + kDeviceStatus,
      Read<uint8_t>(common_ + kDeviceStatus) | virtio::kStatusDriverOk);
}

void VirtioPciDevice::Reset() { Write<uint8_t>(common_ + kDeviceStatus, 0); }

std::span<uint8_t> VirtioPciDevice::FindSharedMemory(uint8_t id) {
  const auto found = Find(kSharedMemoryStructure, id);
  if (!found) return {};
  return platform_->windows.Find(found->address, found->length);
}

}  // namespace nacre::guest_kernel
