#ifndef NACRE_VMM_AARCH64_VM_PLATFORM_H_
#define NACRE_VMM_AARCH64_VM_PLATFORM_H_

#include <cstdint>

#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vm.h"

namespace nacre::vmm::aarch64 {

// Bits of guest-physical address that a virtual machine on this host has, and
// so the end of what the layout may use: as many as the host can do. Those are
// 40 without KVM_CAP_ARM_VM_IPA_SIZE, usually more, sometimes fewer.
uint32_t GuestAddressBits(const Kvm& kvm);

// A KVM virtual machine with `address_bits` bits of guest-physical address
// (GuestAddressBits) and gic.h's interrupt controllers.
KvmVm::Platform MakeVmPlatform(uint32_t address_bits);

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_VM_PLATFORM_H_
