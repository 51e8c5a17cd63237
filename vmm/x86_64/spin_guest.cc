#include "vmm/spin_guest.h"

#include <array>

#include "base/bytes.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "vmm/x86_64/entry_state.h"
#include "vmm/x86_64/vm_platform.h"

namespace nacre::vmm {

namespace {

constexpr uint64_t kRam = 0x1000;
constexpr uint64_t kDone = 0x8000;

}  // namespace

SpinGuest MakeSpinGuest(const Kvm&) {
  return {x86_64::MakeVmPlatform(), {kRam, kSmallestPageSize}, kDone};
}

absl::Status LoadSpin(const GuestMemory& memory, KvmVcpu& vcpu,
                      uint32_t iterations) {
  // mov ecx, iterations; dec ecx; jnz -4; mov [0x8000], al
  const std::array<uint8_t, 2> load = {0x66, 0xb9};
  static_assert(kDone == 0x8000);
  const std::array<uint8_t, 7> loop = {0x66, 0x49, 0x75, 0xfc,
                                       0xa2, 0x00, 0x80};
  RETURN_IF_ERROR(memory.Write(kRam, load));
  RETURN_IF_ERROR(memory.WriteValue(kRam + load.size(), iterations));
  RETURN_IF_ERROR(memory.Write(kRam + load.size() + sizeof(iterations), loop));
  return x86_64::EnterRealMode(vcpu, kRam);
}

}  // namespace nacre::vmm
