#ifndef NACRE_VMM_X86_64_BOOT_PARAMS_H_
#define NACRE_VMM_X86_64_BOOT_PARAMS_H_

#include <asm/bootparam.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "vmm/address_range.h"
#include "vmm/guest_memory.h"
#include "vmm/x86_64/kernel_image.h"

namespace nacre::vmm::x86_64 {

// The memory map that firmware would report, ascending: RAM, and what looks
// like RAM or must not be used (the legacy area, PCI's ECAM).
std::vector<boot_e820_entry> MemoryMap(
    std::span<const GuestMemory::RegionSpec> ram);

// Where the initial RAM disk goes: as high below 4 GiB as the kernel allows, so
// that the kernel's own early allocations stay clear of it; aligned to 2 MiB.
// `ram` has passed CheckMemoryLayout. Errors: InvalidArgument, where kernel and
// initrd do not fit.
absl::StatusOr<AddressRange> PlaceInitrd(
    const KernelImage& kernel, uint64_t initrd_size,
    std::span<const GuestMemory::RegionSpec> ram);

// The "zero page" that the 64-bit entry expects (kernel:
// Documentation/arch/x86/zero-page.rst). `initrd` of size 0 for none.
boot_params MakeBootParams(const KernelImage& kernel,
                           const AddressRange& initrd, uint64_t rsdp_address,
                           std::span<const boot_e820_entry> memory_map);

// The layout that this machine can have: from 0 up with a hole below 4 GiB, see
// layout.h. `highest` is the first address beyond what the CPU can address.
// Errors: InvalidArgument.
absl::Status CheckMemoryLayout(std::span<const GuestMemory::RegionSpec> ram,
                               uint64_t highest);

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_BOOT_PARAMS_H_
