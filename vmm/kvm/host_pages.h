#ifndef NACRE_VMM_KVM_HOST_PAGES_H_
#define NACRE_VMM_KVM_HOST_PAGES_H_

#include <cstdint>
#include <vector>

#include "vmm/address_range.h"

namespace nacre::vmm {

// What the host can give of this process's memory, addresses as numbers, as
// KVM has them. Neither changes what is there. Any thread.

// Has the host make the page of `size` bytes at `address`, as a guest's write
// would, and says whether it could. Where it has no means to do that without an
// access (madvise(2): mappings of GPU drivers' buffers, and all before Linux
// 5.14), as a read would. May take as long as the driver behind the page takes.
bool HostCanGive(uint64_t address, uint64_t size);

// What of this process's memory the host may be unable to give for more reasons
// than want of memory: all within `range` but accessible anonymous memory, as
// mapped files and holes; ascending. Nothing where /proc does not say. Costs
// what listing all of the process's mappings does.
std::vector<AddressRange> UncertainMemory(AddressRange range);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_HOST_PAGES_H_
