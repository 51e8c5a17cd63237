#ifndef NACRE_VMM_X86_64_VM_PLATFORM_H_
#define NACRE_VMM_X86_64_VM_PLATFORM_H_

#include "vmm/kvm/kvm_vm.h"

namespace nacre::vmm::x86_64 {

// A KVM virtual machine with local APICs and an IOAPIC, all in the kernel. KVM
// brings 8259s with them, to which nothing is routed.
KvmVm::Platform MakeVmPlatform();

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_VM_PLATFORM_H_
