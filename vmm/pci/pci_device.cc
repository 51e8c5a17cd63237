#include "vmm/pci/pci_device.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::vmm {
namespace {

constexpr uint32_t kBarType64 = 0x4;
constexpr uint32_t kBarPrefetchable = 0x8;
constexpr uint16_t kBarsEnd = kPciBar0 + 6 * 4;

uint16_t BarOffset(int index) {
  return static_cast<uint16_t>(kPciBar0 + 4 * index);
}

bool Within(uint64_t address, uint64_t size, const AddressRange& window) {
  return address >= window.address &&
         RangeFits(address - window.address, size, window.size);
}

bool Touches(uint16_t offset, size_t size, uint16_t begin, uint16_t end) {
  return offset < end && begin < offset + size;
}

}  // namespace

absl::StatusOr<uint64_t> BarAllocator::Allocate(BarType type, uint64_t size) {
  const bool high = type == BarType::kMemory64Prefetchable;
  const AddressRange& window = high ? windows_.high : windows_.low;
  uint64_t& next = high ? next_high_ : next_low_;
  const std::optional<uint64_t> address = CheckedAlignUp(next, size);
  if (!address || !Within(*address, size, window)) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "no room for a BAR of %#x bytes in the PCI window [%#x, +%#x): make "
        "the window larger or the devices fewer",
        size, window.address, window.size));
  }
  next = *address + size;
  return *address;
}

PciDevice::~PciDevice() { UnmapBars(); }

void PciDevice::AddBar(int index, BarType type, uint64_t size,
                       std::unique_ptr<BarBacking> backing) {
  const bool wide = type == BarType::kMemory64Prefetchable;
  CHECK(!power_on_.has_value());
  CHECK(index >= 0 && index + (wide ? 1 : 0) < 6);
  CHECK(IsPowerOfTwo(size) && size >= 4096) << size;
  const uint64_t address_mask = ~(size - 1);
  // The sizing protocol (PCI 3.0, 6.2.5.1) needs no more than read-only bits.
  config_.SetWritable<uint32_t>(BarOffset(index),
                                static_cast<uint32_t>(address_mask));
  if (wide) {
    config_.SetWritable<uint32_t>(BarOffset(index + 1),
                                  static_cast<uint32_t>(address_mask >> 32));
    config_.Set<uint32_t>(BarOffset(index), kBarType64 | kBarPrefetchable);
  }
  bars_.push_back({index, type, size, std::move(backing), std::nullopt});
}

absl::Status PciDevice::AssignBars(BarAllocator& allocator) {
  CHECK(!power_on_.has_value()) << "device on two buses";
  windows_ = allocator.windows();
  for (const Bar& bar : bars_) {
    ASSIGN_OR_RETURN(const uint64_t address,
                     allocator.Allocate(bar.type, bar.size));
    const uint16_t offset = BarOffset(bar.index);
    const uint32_t flags = config_.Get<uint32_t>(offset) & 0xf;
    config_.Set<uint32_t>(offset, static_cast<uint32_t>(address) | flags);
    if (bar.type == BarType::kMemory64Prefetchable) {
      config_.Set<uint32_t>(BarOffset(bar.index + 1),
                            static_cast<uint32_t>(address >> 32));
    }
  }
  power_on_ = config_;
  return absl::OkStatus();
}

void PciDevice::ReadConfig(uint16_t offset, std::span<uint8_t> data) {
  if (unsettled_) UpdateMappings();
  WillReadConfig(offset, data.size());
  config_.Read(offset, data);
}

void PciDevice::WriteConfig(uint16_t offset, std::span<const uint8_t> data) {
  config_.Write(offset, data);
  if (unsettled_ || Touches(offset, data.size(), kPciCommand, kPciStatus) ||
      Touches(offset, data.size(), kPciBar0, kBarsEnd)) {
    UpdateMappings();
  }
  DidWriteConfig(offset, data.size());
}

void PciDevice::Reset() {
  UnmapBars();
  if (power_on_.has_value()) config_ = *power_on_;
  DidReset();
}

void PciDevice::WillReadConfig(uint16_t /*offset*/, size_t /*size*/) {}
void PciDevice::DidWriteConfig(uint16_t /*offset*/, size_t /*size*/) {}

uint64_t PciDevice::ProgrammedAddress(const Bar& bar) const {
  uint64_t address =
      config_.Get<uint32_t>(BarOffset(bar.index)) & ~uint32_t{0xf};
  if (bar.type == BarType::kMemory64Prefetchable) {
    address |= uint64_t{config_.Get<uint32_t>(BarOffset(bar.index + 1))} << 32;
  }
  return address;
}

void PciDevice::UpdateMappings() {
  const bool enabled =
      (config_.Get<uint16_t>(kPciCommand) & kPciCommandMemory) != 0;
  const auto wanted = [&](const Bar& bar) -> std::optional<uint64_t> {
    const uint64_t address = ProgrammedAddress(bar);
    if (!enabled || !(Within(address, bar.size, windows_.low) ||
                      Within(address, bar.size, windows_.high))) {
      return std::nullopt;
    }
    return address;
  };
  unsettled_ = false;
  // First what goes, so that two BARs can change places.
  for (Bar& bar : bars_) {
    if (bar.mapped != wanted(bar)) Unmap(bar);
  }
  for (Bar& bar : bars_) {
    const std::optional<uint64_t> address = wanted(bar);
    if (!address.has_value() || bar.mapped.has_value()) continue;
    const absl::Status status = bar.backing->Map(*address);
    if (status.ok()) {
      bar.mapped = address;
    } else {
      // Most often the guest put it where something else is.
      unsettled_ = true;
      LOG_FIRST_N(WARNING, 10)
          << absl::StrFormat("PCI BAR %d at %#x is not mapped: ", bar.index,
                             *address)
          << status;
    }
  }
}

void PciDevice::UnmapBars() {
  for (Bar& bar : bars_) Unmap(bar);
}

void PciDevice::Unmap(Bar& bar) {
  if (!bar.mapped.has_value()) return;
  if (const absl::Status status = bar.backing->Unmap(*bar.mapped);
      !status.ok()) {
    unsettled_ = true;
    LOG_FIRST_N(WARNING, 10)
        << absl::StrFormat("PCI BAR %d at %#x is not unmapped: ", bar.index,
                           *bar.mapped)
        << status;
    return;
  }
  bar.mapped.reset();
}

}  // namespace nacre::vmm
