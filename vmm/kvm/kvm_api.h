#ifndef NACRE_VMM_KVM_KVM_API_H_
#define NACRE_VMM_KVM_KVM_API_H_

// <linux/kvm.h>, right in C++ too. Use this instead.
//
// The header's __DECLARE_FLEX_ARRAY (linux-libc-dev 6.1) wraps the array in a
// struct behind an empty one, and an empty struct has size 1 in C++: sizeof
// and the array's offset come out wrong, and so do the ioctl numbers.
#include <linux/stddef.h>
#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(T, NAME) T NAME[0]
#include <linux/kvm.h>

static_assert(sizeof(kvm_irq_routing) == 8);
static_assert(sizeof(kvm_reg_list) == 8);

#endif  // NACRE_VMM_KVM_KVM_API_H_
