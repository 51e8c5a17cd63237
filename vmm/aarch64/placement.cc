#include "vmm/aarch64/placement.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "vmm/aarch64/layout.h"

namespace nacre::vmm::aarch64 {
namespace {

// booting.rst, section 3: kernel and initrd lie in 32 GiB that are aligned to
// 1 GiB.
constexpr uint64_t kImagesSpan = 32 * kGiB;

uint64_t RoundUpToMiB(uint64_t bytes) {
  return bytes / kMiB + (bytes % kMiB == 0 ? 0 : 1);
}

}  // namespace

absl::StatusOr<BootPlacement> PlaceImages(
    const KernelImage& kernel, uint64_t initrd_size,
    std::span<const GuestMemory::RegionSpec> ram) {
  const GuestMemory::RegionSpec& lowest = *std::min_element(
      ram.begin(), ram.end(),
      [](const GuestMemory::RegionSpec& a, const GuestMemory::RegionSpec& b) {
        return a.guest_address < b.guest_address;
      });
  const uint64_t span_end =
      lowest.guest_address / kGiB * kGiB + kImagesSpan;  // Far below 2^64.
  const uint64_t limit = std::min(lowest.guest_address + lowest.size, span_end);

  // Puts `size` bytes at the next free address; nullopt where none is left.
  std::optional<uint64_t> next = lowest.guest_address;
  const auto place = [&](uint64_t offset, uint64_t size) -> AddressRange {
    if (next) next = CheckedAlignUp(*next, kPlacementAlignment);
    if (next) next = CheckedAdd(*next, offset);
    const uint64_t start = next.value_or(0);
    if (next) next = CheckedAdd(*next, size);
    return {start, size};
  };
  BootPlacement placement;
  placement.kernel = place(kernel.text_offset, kernel.memory_size);
  placement.device_tree = place(0, kDeviceTreeSpace);
  if (initrd_size != 0) placement.initrd = place(0, initrd_size);
  if (!next || *next > limit) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a kernel of %d MiB and an initrd of %d MiB do not fit into the "
        "guest's first %d MiB of memory: give it more",
        RoundUpToMiB(kernel.memory_size), RoundUpToMiB(initrd_size),
        (limit - lowest.guest_address) / kMiB));
  }
  return placement;
}

absl::Status CheckMemoryLayout(std::span<const GuestMemory::RegionSpec> ram,
                               uint64_t address_end) {
  for (const GuestMemory::RegionSpec& region : ram) {
    if (region.guest_address < kRamStart) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory region [%#x, +%#x) overlaps the devices below %#x: put it "
          "there or above",
          region.guest_address, region.size, kRamStart));
    }
    const std::optional<uint64_t> end =
        CheckedAdd(region.guest_address, region.size);
    if (!end || *end > address_end) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory region [%#x, +%#x) is beyond what this host's KVM can "
          "address: it must end at %#x or below",
          region.guest_address, region.size, address_end));
    }
  }
  return absl::OkStatus();
}

}  // namespace nacre::vmm::aarch64
