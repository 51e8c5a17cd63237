#ifndef NACRE_VMM_X86_64_ENTRY_STATE_H_
#define NACRE_VMM_X86_64_ENTRY_STATE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/kvm_vcpu.h"

namespace nacre::vmm::x86_64 {

// Writes what the entry state points to: a GDT with the boot protocol's flat
// segments and page tables that map the first 4 GiB to themselves. Errors: as
// of GuestMemory::Write.
absl::Status WriteEntryTables(const GuestMemory& memory);

// Puts the boot vCPU at `entry` in 64-bit mode as the boot protocol wants it
// (kernel: Documentation/arch/x86/boot.rst, "64-bit boot protocol"), with RSI
// the address of boot_params. Needs WriteEntryTables before it runs.
absl::Status EnterLongMode(KvmVcpu& vcpu, uint64_t entry,
                           uint64_t boot_params_address);

// Puts a vCPU at `address` (below 64 KiB) in real mode with an empty stack
// below it, all segments at 0. For code of ours, without a kernel.
absl::Status EnterRealMode(KvmVcpu& vcpu, uint16_t address);

// What every vCPU gets: its CPUID, RAM cacheable by default. Those but the
// first then wait for their start-up interrupt.
absl::Status SetUpCommonState(KvmVcpu& vcpu,
                              const std::vector<kvm_cpuid_entry2>& cpuid);

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_ENTRY_STATE_H_
