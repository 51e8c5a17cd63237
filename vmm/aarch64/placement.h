#ifndef NACRE_VMM_AARCH64_PLACEMENT_H_
#define NACRE_VMM_AARCH64_PLACEMENT_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/aarch64/kernel_image.h"
#include "vmm/address_range.h"
#include "vmm/guest_memory.h"

namespace nacre::vmm::aarch64 {

// The largest device tree that Linux maps at boot (booting.rst, section 2).
inline constexpr uint64_t kDeviceTreeSpace = 2 << 20;

// Where in RAM everything is at boot; sizes of 0 for what is not there.
struct BootPlacement {
  AddressRange kernel;       // Entered at its start.
  AddressRange device_tree;  // kDeviceTreeSpace for it.
  AddressRange initrd;
};

// Puts them one after the other at the start of the lowest region, each on
// 2 MiB of its own: the kernel frees the memory of the other two. `ram` has
// passed CheckMemoryLayout. Errors: InvalidArgument where they do not fit.
absl::StatusOr<BootPlacement> PlaceImages(
    const KernelImage& kernel, uint64_t initrd_size,
    std::span<const GuestMemory::RegionSpec> ram);

// The layout that this machine can have: above the devices, see layout.h.
// `address_end` is the first address beyond what the virtual machine has.
// Errors: InvalidArgument.
absl::Status CheckMemoryLayout(std::span<const GuestMemory::RegionSpec> ram,
                               uint64_t address_end);

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_PLACEMENT_H_
