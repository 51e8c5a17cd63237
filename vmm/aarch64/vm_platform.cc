#include "vmm/aarch64/vm_platform.h"

#include <sys/ioctl.h>

#include "absl/status/status.h"
#include "vmm/aarch64/gic.h"
#include "vmm/aarch64/layout.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm::aarch64 {
namespace {

constexpr uint32_t kDefaultAddressBits = 40;

absl::Status SetUpVm(int vm) {
  // An access to no memory that KVM cannot carry out then ends the run with the
  // address, not with ENOSYS. Linux before 5.5 has only the latter.
  kvm_enable_cap capability = {};
  capability.cap = KVM_CAP_ARM_NISV_TO_USER;
  (void)ioctl(vm, KVM_ENABLE_CAP, &capability);
  return CheckGicSupport(vm);
}

}  // namespace

uint32_t GuestAddressBits(const Kvm& kvm) {
  const int bits = kvm.Capability(KVM_CAP_ARM_VM_IPA_SIZE);
  return bits > 0 ? static_cast<uint32_t>(bits) : kDefaultAddressBits;
}

KvmVm::Platform MakeVmPlatform(uint32_t address_bits) {
  KvmVm::Platform platform;
  // 0 is the default of 40 for a kernel that knows no others.
  platform.type = address_bits == kDefaultAddressBits
                      ? 0
                      : KVM_VM_TYPE_ARM_IPA_SIZE(address_bits);
  platform.set_up = SetUpVm;
  platform.complete_interrupts = CreateGic;
  platform.fixed_routes = SpiRoutes();
  platform.first_msi_gsi = kSpis;
  platform.msi_device_ids = true;
  return platform;
}

}  // namespace nacre::vmm::aarch64
