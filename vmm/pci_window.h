#ifndef NACRE_VMM_PCI_WINDOW_H_
#define NACRE_VMM_PCI_WINDOW_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "vmm/address_range.h"
#include "vmm/guest_memory.h"

namespace nacre::vmm {

// Where a host bridge's 64-bit window lies: above all of `ram` (in any order)
// and above 4 GiB, ending at or below `address_end`, the end of what the guest
// can address. Errors: InvalidArgument where nothing is left for it.
absl::StatusOr<AddressRange> PlacePciWindow64(
    std::span<const GuestMemory::RegionSpec> ram, uint64_t address_end);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_WINDOW_H_
