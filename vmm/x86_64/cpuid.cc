#include "vmm/x86_64/cpuid.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/errno_status.h"

namespace nacre::vmm::x86_64 {
namespace {

// More than any CPU has; KVM says E2BIG beyond its own limit of 256.
constexpr uint32_t kMaxEntries = 256;

// Leaf 1.
constexpr uint32_t kEcxTscDeadline = 1u << 24;
constexpr uint32_t kEcxHypervisor = 1u << 31;
constexpr uint32_t kEdxMultiThreading = 1u << 28;
// Leaf 0x80000001, AMD: cores of a package are listed as if threads.
constexpr uint32_t kEcxCoreMultiProcessingLegacy = 1u << 1;

// Leaf 0xb, level types in ECX[15:8].
constexpr uint32_t kLevelThread = 1;
constexpr uint32_t kLevelCore = 2;

constexpr uint32_t kFewestAddressBits = 36;

// Bits of the APIC id that number the cores.
uint32_t CoreBits(uint32_t vcpus) { return std::bit_width(vcpus - 1); }

kvm_cpuid_entry2 TopologyLevel(uint32_t level, uint32_t type, uint32_t shift,
                               uint32_t processors, uint32_t apic_id) {
  kvm_cpuid_entry2 entry = {};
  entry.function = 0xb;
  entry.index = level;
  entry.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  entry.eax = shift;
  entry.ebx = processors;
  entry.ecx = type << 8 | level;
  entry.edx = apic_id;
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<kvm_cpuid_entry2>> SupportedCpuid(const Kvm& kvm) {
  std::vector<uint8_t> buffer(sizeof(kvm_cpuid2) +
                              kMaxEntries * sizeof(kvm_cpuid_entry2));
  kvm_cpuid2 header = {};
  header.nent = kMaxEntries;
  std::memcpy(buffer.data(), &header, sizeof(header));
  if (ioctl(kvm.fd(), KVM_GET_SUPPORTED_CPUID, buffer.data()) != 0) {
    return ErrnoStatus("KVM_GET_SUPPORTED_CPUID");
  }
  std::memcpy(&header, buffer.data(), sizeof(header));
  std::vector<kvm_cpuid_entry2> entries(header.nent);
  if (!entries.empty()) {
    std::memcpy(entries.data(), buffer.data() + sizeof(header),
                entries.size() * sizeof(entries[0]));
  }
  // KVM emulates the timer but leaves the bit to us.
  const bool deadline_timer = kvm.Capability(KVM_CAP_TSC_DEADLINE_TIMER) > 0;
  for (kvm_cpuid_entry2& entry : entries) {
    if (entry.function != 1) continue;
    // Without it Linux does not look for KVM's leaves, and so for its clock.
    entry.ecx |= kEcxHypervisor;
    if (deadline_timer) entry.ecx |= kEcxTscDeadline;
  }
  return entries;
}

std::vector<kvm_cpuid_entry2> VcpuCpuid(std::vector<kvm_cpuid_entry2> supported,
                                        uint32_t index, uint32_t vcpus) {
  std::vector<kvm_cpuid_entry2> result = std::move(supported);
  // The host's own topology.
  result.erase(std::remove_if(result.begin(), result.end(),
                              [](const kvm_cpuid_entry2& entry) {
                                return entry.function == 0xb ||
                                       entry.function == 0x1f;
                              }),
               result.end());
  const uint32_t core_bits = CoreBits(vcpus);
  for (kvm_cpuid_entry2& entry : result) {
    switch (entry.function) {
      case 1:
        entry.ebx = (entry.ebx & 0xffff) | index << 24 | vcpus << 16;
        entry.edx = vcpus > 1 ? entry.edx | kEdxMultiThreading
                              : entry.edx & ~kEdxMultiThreading;
        break;
      case 4:  // Intel's caches: EAX[31:26] cores, [25:14] sharing threads.
        entry.eax &= 0x3fff;
        if ((entry.eax & 0x1f) != 0) {
          entry.eax |= ((1u << core_bits) - 1) << 26;
        }
        break;
      case 0x80000001:
        entry.ecx = vcpus > 1 ? entry.ecx | kEcxCoreMultiProcessingLegacy
                              : entry.ecx & ~kEcxCoreMultiProcessingLegacy;
        break;
      case 0x80000008:  // AMD: ECX[15:12] core bits, [7:0] cores less one.
        entry.ecx = (entry.ecx & ~0xf0ffu) | core_bits << 12 | (vcpus - 1);
        break;
      case 0x8000001d:  // AMD's caches: EAX[25:14] sharing threads.
        entry.eax &= 0x3fff;
        break;
      case 0x8000001e:  // AMD: APIC id; core id, threads less one; node.
        entry.eax = index;
        entry.ebx = index;
        entry.ecx = 0;
        break;
      default:
        break;
    }
  }
  result.push_back(TopologyLevel(0, kLevelThread, 0, 1, index));
  result.push_back(TopologyLevel(1, kLevelCore, core_bits, vcpus, index));
  return result;
}

uint64_t PhysicalAddressEnd(const std::vector<kvm_cpuid_entry2>& cpuid) {
  uint32_t bits = kFewestAddressBits;
  for (const kvm_cpuid_entry2& entry : cpuid) {
    if (entry.function == 0x80000008) bits = entry.eax & 0xff;
  }
  return uint64_t{1} << std::clamp(bits, kFewestAddressBits, 52u);
}

}  // namespace nacre::vmm::x86_64
