#ifndef NACRE_VMM_X86_64_CPUID_H_
#define NACRE_VMM_X86_64_CPUID_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm::x86_64 {

// What KVM can give a guest on this host (KVM_GET_SUPPORTED_CPUID), with the
// bits that it leaves to us: "hypervisor", and the TSC deadline timer where it
// has one. Errors: the errno.
absl::StatusOr<std::vector<kvm_cpuid_entry2>> SupportedCpuid(const Kvm& kvm);

// `supported` for vCPU `index` of `vcpus`: its APIC id, and the topology of one
// socket of single-threaded cores. Feature bits are as KVM has them.
std::vector<kvm_cpuid_entry2> VcpuCpuid(std::vector<kvm_cpuid_entry2> supported,
                                        uint32_t index, uint32_t vcpus);

// The first address that a CPU with these leaves cannot form.
uint64_t PhysicalAddressEnd(const std::vector<kvm_cpuid_entry2>& cpuid);

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_CPUID_H_
