#include "vmm/guest_caching.h"

namespace nacre::vmm {

// The caches of an x86 are coherent with every device.
absl::StatusOr<bool> GuestsAreAlwaysCached() { return false; }

}  // namespace nacre::vmm
