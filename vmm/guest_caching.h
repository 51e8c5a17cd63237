#ifndef NACRE_VMM_GUEST_CACHING_H_
#define NACRE_VMM_GUEST_CACHING_H_

#include "absl/status/statusor.h"

namespace nacre::vmm {

// What an architecture supplies to whoever gives devices to a Machine: whether
// on this host every access of a guest to RAM goes through the CPU's caches, as
// write-back, however the guest maps it. Then a device that does not look into
// caches does not see what a guest wrote past them, as the guest believes.
// False where guests' own mappings decide, and where every device of the
// architecture looks into caches.
//
// Asks a throw-away vCPU where it must; milliseconds. Errors: KVM's.
absl::StatusOr<bool> GuestsAreAlwaysCached();

}  // namespace nacre::vmm

#endif  // NACRE_VMM_GUEST_CACHING_H_
