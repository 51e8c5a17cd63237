#include "vmm/spin_guest.h"

#include <array>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "vmm/x86_64/entry_state.h"
#include "vmm/x86_64/vm_platform.h"

namespace nacre::vmm {

KvmVm::Platform SpinPlatform() { return x86_64::MakeVmPlatform(); }

absl::Status LoadSpin(const GuestMemory& memory, KvmVcpu& vcpu,
                      uint32_t iterations) {
  static_assert(kSpinDone == 0x8000);
  // mov ecx, iterations; dec ecx; jnz -4; mov [0x8000], al
  const std::array<uint8_t, 2> load = {0x66, 0xb9};
  const std::array<uint8_t, 7> loop = {0x66, 0x49, 0x75, 0xfc,
                                       0xa2, 0x00, 0x80};
  RETURN_IF_ERROR(memory.Write(kSpinRam, load));
  RETURN_IF_ERROR(memory.WriteValue(kSpinRam + load.size(), iterations));
  RETURN_IF_ERROR(
      memory.Write(kSpinRam + load.size() + sizeof(iterations), loop));
  return x86_64::EnterRealMode(vcpu, kSpinRam);
}

}  // namespace nacre::vmm
