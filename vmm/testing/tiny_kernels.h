#ifndef NACRE_VMM_TESTING_TINY_KERNELS_H_
#define NACRE_VMM_TESTING_TINY_KERNELS_H_

#include <cstdint>
#include <vector>

namespace nacre::vmm {

// Kernel files of the machine's architecture, for a TinyMachine.

// Resets the machine the first time that it runs, and powers it off the second.
std::vector<uint8_t> ResettingKernel();

// Writes a byte to the serial console, and from then on does not leave the
// guest.
std::vector<uint8_t> SpinningKernel();

// Stores a byte to guest-physical `address`, and from then on does not leave
// the guest.
std::vector<uint8_t> StoringKernel(uint32_t address);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_TESTING_TINY_KERNELS_H_
