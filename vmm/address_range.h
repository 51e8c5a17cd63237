#ifndef NACRE_VMM_ADDRESS_RANGE_H_
#define NACRE_VMM_ADDRESS_RANGE_H_

#include <cstdint>

namespace nacre::vmm {

// [address, address + size) in one of a machine's address spaces.
struct AddressRange {
  uint64_t address = 0;
  uint64_t size = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_ADDRESS_RANGE_H_
