#ifndef NACRE_VMM_SPIN_GUEST_H_
#define NACRE_VMM_SPIN_GUEST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"

namespace nacre::vmm {

// What an architecture supplies to Probe beside Architecture: a guest that
// counts down in a loop of two instructions and then stores a byte to where
// there is no RAM.
struct SpinGuest {
  // How to make a virtual machine for it; one like a Machine's, so that Probe
  // also finds what a Machine would miss.
  KvmVm::Platform platform;
  GuestMemory::RegionSpec ram;
  uint64_t done = 0;  // The address of that store.
};
inline constexpr uint64_t kSpinInstructionsPerIteration = 2;

SpinGuest MakeSpinGuest(const Kvm& kvm);

// Writes the code into that RAM and points `vcpu`, the only one, at it.
absl::Status LoadSpin(const GuestMemory& memory, KvmVcpu& vcpu,
                      uint32_t iterations);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_SPIN_GUEST_H_
