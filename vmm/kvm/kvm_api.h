#ifndef NACRE_VMM_KVM_KVM_API_H_
#define NACRE_VMM_KVM_KVM_API_H_

// <linux/kvm.h>, right in C++ too. Use this instead.
//
// The header's __DECLARE_FLEX_ARRAY (linux-libc-dev 6.1) wraps the array in a
// struct behind an empty one, and an empty struct has size 1 in C++: sizeof
// and the array's offset come out wrong, and so do the ioctl numbers.
#include <linux/stddef.h>
#undef __DECLARE_FLEX_ARRAY
// NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name.
#define __DECLARE_FLEX_ARRAY(T, NAME) T NAME[0]
#include <linux/kvm.h>

#include <cstdint>

namespace nacre::vmm {

// KVM_EXIT_MEMORY_FAULT, from Linux 6.8 on: the exit reason where KVM_RUN
// returns EFAULT for an address of the guest that KVM has no page for, and what
// kvm_run's union then has. Linux 6.1's header does not know it.
inline constexpr uint32_t kKvmExitMemoryFault = 39;
struct KvmMemoryFault {
  uint64_t flags;
  uint64_t guest_address;
  uint64_t size;
};

}  // namespace nacre::vmm

static_assert(sizeof(kvm_irq_routing) == 8);
static_assert(sizeof(kvm_reg_list) == 8);

#endif  // NACRE_VMM_KVM_KVM_API_H_
