#include "vmm/spin_guest.h"

#include <array>

#include "base/bytes.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/vcpu_state.h"
#include "vmm/aarch64/vm_platform.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kDone = aarch64::kSerial.address;
static_assert(kDone == 0x09000000);
constexpr std::array<uint32_t, 5> kCode = {
    0xf1000400,  // subs x0, x0, #1
    0x54ffffe1,  // b.ne .-4
    0xd2a12001,  // movz x1, #0x0900, lsl #16
    0x39000020,  // strb w0, [x1]
    0x14000000,  // b .
};

}  // namespace

SpinGuest MakeSpinGuest(const Kvm& kvm) {
  return {aarch64::MakeVmPlatform(aarch64::GuestAddressBits(kvm)),
          {aarch64::kRamStart, HostPageSize()},
          kDone};
}

absl::Status LoadSpin(const GuestMemory& memory, KvmVcpu& vcpu,
                      uint32_t iterations) {
  RETURN_IF_ERROR(memory.Write(aarch64::kRamStart, AsBytes(kCode)));
  RETURN_IF_ERROR(aarch64::InitializeVcpu(vcpu, 0));
  return aarch64::SetEntry(vcpu, aarch64::kRamStart, iterations);
}

}  // namespace nacre::vmm
