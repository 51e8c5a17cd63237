#ifndef NACRE_VMM_TESTING_RESETTING_KERNEL_H_
#define NACRE_VMM_TESTING_RESETTING_KERNEL_H_

#include <cstdint>
#include <vector>

namespace nacre::vmm {

// A kernel file of the machine's architecture, for one of 64 MiB in the default
// layout: resets the machine the first time that it runs, and powers it off the
// second.
std::vector<uint8_t> ResettingKernel();

}  // namespace nacre::vmm

#endif  // NACRE_VMM_TESTING_RESETTING_KERNEL_H_
