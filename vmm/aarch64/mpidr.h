#ifndef NACRE_VMM_AARCH64_MPIDR_H_
#define NACRE_VMM_AARCH64_MPIDR_H_

#include <cstdint>

namespace nacre::vmm::aarch64 {

// The affinity fields of the MPIDR_EL1 that KVM gives to the vCPU with id
// `index` (kernel: arch/arm64/kvm/sys_regs.c, reset_mpidr): sixteen vCPUs to a
// cluster, since a GICv3 addresses sixteen with one software interrupt. It is
// the vCPU's `reg` in the device tree and the target of PSCI CPU_ON.
constexpr uint64_t MpidrOf(uint32_t index) {
  return (index & 0xf) | uint64_t{(index >> 4) & 0xff} << 8 |
         uint64_t{(index >> 12) & 0xff} << 16;
}

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_MPIDR_H_
