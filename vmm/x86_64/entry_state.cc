#include "vmm/x86_64/entry_state.h"

#include <array>
#include <cstring>

#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "vmm/x86_64/layout.h"

// See vmm/kvm/kvm_api.h.
static_assert(sizeof(kvm_cpuid2) == 8);
static_assert(sizeof(kvm_msrs) == 8);

namespace nacre::vmm::x86_64 {
namespace {

// Selectors that the boot protocol names.
constexpr uint16_t kCodeSelector = 0x10;
constexpr uint16_t kDataSelector = 0x18;

// Descriptors (AMD64 manual volume 2, 4.8): flat, present, ring 0.
constexpr std::array<uint64_t, 4> kGdt = {
    0, 0,
    0x00af9b000000ffff,  // 64-bit code.
    0x00cf93000000ffff,  // Data.
};

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kEntriesPerTable = 512;
constexpr uint64_t kPresentWritable = 3;
constexpr uint64_t kLargePage = 1 << 7;
constexpr uint64_t kMappedGiB = 4;

constexpr uint64_t kCr0ProtectedMode = 1 << 0;
constexpr uint64_t kCr0ExtensionType = 1 << 4;
constexpr uint64_t kCr0Paging = 1u << 31;
constexpr uint64_t kCr4PhysicalAddressExtension = 1 << 5;
constexpr uint64_t kEferLongModeEnable = 1 << 8;
constexpr uint64_t kEferLongModeActive = 1 << 10;
constexpr uint64_t kRflagsReserved = 1 << 1;

constexpr uint32_t kMsrMiscEnable = 0x1a0;
constexpr uint64_t kFastStrings = 1;
constexpr uint32_t kMsrMtrrDefaultType = 0x2ff;
constexpr uint64_t kMtrrsEnabledWriteBack = 1 << 11 | 6;

kvm_segment FlatSegment(uint16_t selector, bool code) {
  kvm_segment segment = {};
  segment.selector = selector;
  segment.limit = 0xffffffff;
  segment.type = code ? 0xb : 0x3;  // Execute/read or read/write, accessed.
  segment.present = 1;
  segment.s = 1;
  segment.g = 1;
  segment.l = code ? 1 : 0;
  segment.db = code ? 0 : 1;
  return segment;
}

absl::Status SetCpuid(KvmVcpu& vcpu,
                      const std::vector<kvm_cpuid_entry2>& cpuid) {
  kvm_cpuid2 header = {};
  header.nent = static_cast<uint32_t>(cpuid.size());
  std::vector<uint8_t> buffer(sizeof(header) +
                              cpuid.size() * sizeof(kvm_cpuid_entry2));
  std::memcpy(buffer.data(), &header, sizeof(header));
  if (!cpuid.empty()) {
    std::memcpy(buffer.data() + sizeof(header), cpuid.data(),
                cpuid.size() * sizeof(kvm_cpuid_entry2));
  }
  return vcpu.Control(KVM_SET_CPUID2, buffer.data(), "KVM_SET_CPUID2");
}

absl::Status SetMsrs(KvmVcpu& vcpu) {
  struct {
    kvm_msrs header = {};
    std::array<kvm_msr_entry, 2> entries = {{
        {kMsrMiscEnable, 0, kFastStrings},
        {kMsrMtrrDefaultType, 0, kMtrrsEnabledWriteBack},
    }};
  } msrs;
  msrs.header.nmsrs = msrs.entries.size();
  // Stops at the first that KVM does not take, without an error.
  ASSIGN_OR_RETURN(const int set,
                   vcpu.ControlNumber(KVM_SET_MSRS, &msrs, "KVM_SET_MSRS"));
  if (set != static_cast<int>(msrs.entries.size())) {
    return absl::InternalError(
        absl::StrFormat("KVM_SET_MSRS: KVM does not take register %#x",
                        msrs.entries[set].index));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteEntryTables(const GuestMemory& memory) {
  RETURN_IF_ERROR(memory.Write(kGdtAddress, AsBytes(kGdt)));
  // One table each of levels 4 and 3, then one of level 2 a GiB.
  const uint64_t level3 = kPageTablesAddress + kPageSize;
  RETURN_IF_ERROR(
      memory.WriteValue(kPageTablesAddress, level3 | kPresentWritable));
  for (uint64_t gib = 0; gib < kMappedGiB; ++gib) {
    const uint64_t level2 = level3 + (1 + gib) * kPageSize;
    RETURN_IF_ERROR(memory.WriteValue(level3 + gib * sizeof(uint64_t),
                                      level2 | kPresentWritable));
    std::array<uint64_t, kEntriesPerTable> table;
    for (uint64_t i = 0; i < kEntriesPerTable; ++i) {
      table[i] = (gib * kGiB + i * 2 * kMiB) | kLargePage | kPresentWritable;
    }
    RETURN_IF_ERROR(memory.Write(level2, AsBytes(table)));
  }
  return absl::OkStatus();
}

absl::Status EnterLongMode(KvmVcpu& vcpu, uint64_t entry,
                           uint64_t boot_params_address) {
  kvm_sregs sregs = {};
  RETURN_IF_ERROR(vcpu.Control(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS"));
  sregs.gdt.base = kGdtAddress;
  sregs.gdt.limit = sizeof(kGdt) - 1;
  sregs.cs = FlatSegment(kCodeSelector, true);
  sregs.ds = FlatSegment(kDataSelector, false);
  sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
  sregs.cr0 = kCr0ProtectedMode | kCr0ExtensionType | kCr0Paging;
  sregs.cr3 = kPageTablesAddress;
  sregs.cr4 = kCr4PhysicalAddressExtension;
  sregs.efer = kEferLongModeEnable | kEferLongModeActive;
  RETURN_IF_ERROR(vcpu.Control(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS"));
  kvm_regs regs = {};
  regs.rip = entry;
  regs.rsi = boot_params_address;
  regs.rflags = kRflagsReserved;
  return vcpu.Control(KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

absl::Status EnterRealMode(KvmVcpu& vcpu, uint16_t address) {
  kvm_sregs sregs = {};
  RETURN_IF_ERROR(vcpu.Control(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS"));
  // A vCPU is made with CS at the reset vector.
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  RETURN_IF_ERROR(vcpu.Control(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS"));
  kvm_regs regs = {};
  regs.rip = address;
  regs.rsp = address;
  regs.rflags = kRflagsReserved;
  return vcpu.Control(KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

absl::Status SetUpCommonState(KvmVcpu& vcpu,
                              const std::vector<kvm_cpuid_entry2>& cpuid) {
  RETURN_IF_ERROR(SetCpuid(vcpu, cpuid));
  return SetMsrs(vcpu);
}

}  // namespace nacre::vmm::x86_64
