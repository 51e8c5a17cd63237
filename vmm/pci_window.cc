#include "vmm/pci_window.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/checked.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
// Beyond every BAR that a device of ours has.
constexpr uint64_t kSize = 64 * kGiB;
constexpr uint64_t kAlignment = 4 * kGiB;

}  // namespace

absl::StatusOr<AddressRange> PlacePciWindow64(
    std::span<const GuestMemory::RegionSpec> ram, uint64_t address_end) {
  uint64_t ram_end = 4 * kGiB;
  for (const GuestMemory::RegionSpec& region : ram) {
    ram_end = std::max(ram_end, region.guest_address + region.size);
  }
  const uint64_t start =
      CheckedAlignUp(ram_end, kAlignment).value_or(address_end);
  if (start >= address_end) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory ends at %#x, which leaves no addresses for PCI devices below "
        "%#x: give less",
        ram_end, address_end));
  }
  return AddressRange{start, std::min(kSize, address_end - start)};
}

}  // namespace nacre::vmm
