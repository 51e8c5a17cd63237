#ifndef NACRE_VMM_TESTING_TINY_MACHINE_H_
#define NACRE_VMM_TESTING_TINY_MACHINE_H_

#include <cstdint>
#include <span>

#include "vmm/machine.h"

namespace nacre::vmm {

// Two vCPUs and 64 MiB, for one of tiny_kernels.h, which is written to a file
// of the test's own folder.
MachineConfig TinyMachine(std::span<const uint8_t> kernel);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_TESTING_TINY_MACHINE_H_
