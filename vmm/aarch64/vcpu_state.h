#ifndef NACRE_VMM_AARCH64_VCPU_STATE_H_
#define NACRE_VMM_AARCH64_VCPU_STATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "vmm/kvm/kvm_vcpu.h"

namespace nacre::vmm::aarch64 {

// Makes `vcpu`, KvmVcpu::Create's id `index`, the host's kind of CPU in the
// state after reset: EL1, MMU off, all exceptions masked. The first can run at
// once; the others wait for the guest's PSCI CPU_ON. Comes before anything else
// that is done with a vCPU. Errors: the errno.
//
// The guest gets pointer authentication where the host has it, for its own
// programs' sake. It gets neither SVE, which no GPU driver needs and which
// enlarges each vCPU's context by kilobytes, nor performance counters, which
// would tie each vCPU to host cores of one kind (a Snapdragon has two or three
// kinds).
absl::Status InitializeVcpu(KvmVcpu& vcpu, uint32_t index);

// Puts a vCPU at `entry` with `x0` as its first argument, the others zero; with
// the device tree's address there, it is what Linux wants of the first vCPU
// (kernel: Documentation/arch/arm64/booting.rst, "Call the kernel image").
absl::Status SetEntry(KvmVcpu& vcpu, uint64_t entry, uint64_t x0);

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_VCPU_STATE_H_
