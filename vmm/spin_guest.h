#ifndef NACRE_VMM_SPIN_GUEST_H_
#define NACRE_VMM_SPIN_GUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"

namespace nacre::vmm {

// What an architecture supplies to Probe: a guest that counts down, in RAM of
// one page at kSpinRam, and then stores a byte to kSpinDone.
inline constexpr uint64_t kSpinRam = 0x1000;
inline constexpr uint64_t kSpinDone = 0x8000;
inline constexpr uint64_t kSpinInstructionsPerIteration = 2;

// How to make a virtual machine for it.
KvmVm::Platform SpinPlatform();

// Writes the code and points `vcpu` at it.
absl::Status LoadSpin(const GuestMemory& memory, KvmVcpu& vcpu,
                      uint32_t iterations);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_SPIN_GUEST_H_
