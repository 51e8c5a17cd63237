#include "vmm/x86_64/boot_params.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "glog/logging.h"
#include "vmm/x86_64/layout.h"

namespace nacre::vmm::x86_64 {
namespace {

constexpr uint32_t kE820Ram = 1;
constexpr uint32_t kE820Reserved = 2;
constexpr uint8_t kUnregisteredLoader = 0xff;
constexpr uint64_t kInitrdAlignment = 2 * kMiB;
// Below this no stock kernel boots.
constexpr uint64_t kSmallestLowMemory = 32 * kMiB;

uint64_t LowMemoryEnd(std::span<const GuestMemory::RegionSpec> ram) {
  for (const GuestMemory::RegionSpec& region : ram) {
    if (region.guest_address == 0) return region.size;
  }
  return 0;
}

}  // namespace

absl::Status CheckMemoryLayout(std::span<const GuestMemory::RegionSpec> ram,
                               uint64_t highest) {
  if (LowMemoryEnd(ram) < kSmallestLowMemory) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "memory at address 0 is %d MiB: a kernel needs %d MiB there or more",
        LowMemoryEnd(ram) / kMiB, kSmallestLowMemory / kMiB));
  }
  for (const GuestMemory::RegionSpec& region : ram) {
    const std::optional<uint64_t> end =
        CheckedAdd(region.guest_address, region.size);
    if (!end || *end > highest) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory region [%#x, +%#x) is beyond what this CPU can address: it "
          "must end at %#x or below",
          region.guest_address, region.size, highest));
    }
    if (RangesOverlap(region.guest_address, region.size, kDeviceHoleStart,
                      kDeviceHoleEnd - kDeviceHoleStart)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "memory region [%#x, +%#x) overlaps the devices at [%#x, %#x): split "
          "it there",
          region.guest_address, region.size, kDeviceHoleStart, kDeviceHoleEnd));
    }
  }
  return absl::OkStatus();
}

std::vector<boot_e820_entry> MemoryMap(
    std::span<const GuestMemory::RegionSpec> ram) {
  std::vector<boot_e820_entry> map;
  for (const GuestMemory::RegionSpec& region : ram) {
    if (region.guest_address == 0) {
      map.push_back({0, kLegacyHoleStart, kE820Ram});
      map.push_back({kLegacyHoleStart, kHighMemoryStart - kLegacyHoleStart,
                     kE820Reserved});
      map.push_back(
          {kHighMemoryStart, region.size - kHighMemoryStart, kE820Ram});
    } else {
      map.push_back({region.guest_address, region.size, kE820Ram});
    }
  }
  map.push_back({kEcam.address, kEcam.size, kE820Reserved});
  std::sort(map.begin(), map.end(),
            [](const boot_e820_entry& a, const boot_e820_entry& b) {
              return a.addr < b.addr;
            });
  return map;
}

absl::StatusOr<AddressRange> PlaceInitrd(
    const KernelImage& kernel, uint64_t initrd_size,
    std::span<const GuestMemory::RegionSpec> ram) {
  const uint64_t low_end = LowMemoryEnd(ram);
  if (kernel.end > low_end) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the kernel needs memory up to %d MiB, the guest has %d MiB below 4 "
        "GiB: give it more",
        (kernel.end + kMiB - 1) / kMiB, low_end / kMiB));
  }
  if (initrd_size == 0) return AddressRange{};
  const uint64_t top =
      std::min<uint64_t>(low_end, uint64_t{kernel.header.initrd_addr_max} + 1);
  // Never wraps: the comparison before it.
  const uint64_t start =
      initrd_size > top
          ? 0
          : (top - initrd_size) / kInitrdAlignment * kInitrdAlignment;
  if (start < kernel.end) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "an initrd of %d MiB does not fit between the kernel's end at %d MiB "
        "and %d MiB: give the guest more memory",
        (initrd_size + kMiB - 1) / kMiB, (kernel.end + kMiB - 1) / kMiB,
        top / kMiB));
  }
  return AddressRange{start, initrd_size};
}

boot_params MakeBootParams(const KernelImage& kernel,
                           const AddressRange& initrd, uint64_t rsdp_address,
                           std::span<const boot_e820_entry> memory_map) {
  boot_params params = {};
  params.hdr = kernel.header;
  params.hdr.type_of_loader = kUnregisteredLoader;
  params.hdr.loadflags |= LOADED_HIGH;
  params.hdr.cmd_line_ptr = kCommandLineAddress;
  params.hdr.ramdisk_image = static_cast<uint32_t>(initrd.address);
  params.hdr.ramdisk_size = static_cast<uint32_t>(initrd.size);
  params.acpi_rsdp_addr = rsdp_address;
  CHECK_LE(memory_map.size(), std::size(params.e820_table));
  std::copy(memory_map.begin(), memory_map.end(), params.e820_table);
  params.e820_entries = static_cast<uint8_t>(memory_map.size());
  return params;
}

}  // namespace nacre::vmm::x86_64
