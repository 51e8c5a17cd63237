#include "vmm/x86_64/vm_platform.h"

#include <sys/ioctl.h>

#include <cstdint>

#include "absl/status/status.h"
#include "base/errno_status.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/x86_64/layout.h"

namespace nacre::vmm::x86_64 {
namespace {

absl::Status SetUpVm(int vm) {
  uint64_t identity_map = kIdentityMapAddress;
  if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) != 0) {
    return ErrnoStatus("KVM_SET_IDENTITY_MAP_ADDR");
  }
  if (ioctl(vm, KVM_SET_TSS_ADDR, kTssAddress) != 0) {
    return ErrnoStatus("KVM_SET_TSS_ADDR");
  }
  if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) != 0) {
    return ErrnoStatus("KVM_CREATE_IRQCHIP");
  }
  return absl::OkStatus();
}

}  // namespace

KvmVm::Platform MakeVmPlatform() {
  KvmVm::Platform platform;
  platform.set_up = SetUpVm;
  platform.first_msi_gsi = kIoApicInputs;
  for (uint32_t pin = 0; pin < kIoApicInputs; ++pin) {
    kvm_irq_routing_entry route = {};
    route.gsi = pin;
    route.type = KVM_IRQ_ROUTING_IRQCHIP;
    route.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
    route.u.irqchip.pin = pin;
    platform.fixed_routes.push_back(route);
  }
  return platform;
}

}  // namespace nacre::vmm::x86_64
