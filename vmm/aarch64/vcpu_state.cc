#include "vmm/aarch64/vcpu_state.h"

#include <sys/ioctl.h>

#include <cstddef>

#include "base/errno_status.h"
#include "base/status_macros.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm::aarch64 {
namespace {

// KVM_SET_ONE_REG's name of a 64-bit register, by its place in kvm_regs.
constexpr uint64_t CoreRegister(size_t offset) {
  return KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
         offset / sizeof(uint32_t);
}
constexpr uint64_t kX0 = CoreRegister(offsetof(kvm_regs, regs.regs));
constexpr uint64_t kPc = CoreRegister(offsetof(kvm_regs, regs.pc));

absl::Status SetRegister(KvmVcpu& vcpu, uint64_t id, uint64_t value) {
  kvm_one_reg request = {};
  request.id = id;
  request.addr = reinterpret_cast<uintptr_t>(&value);
  return vcpu.Control(KVM_SET_ONE_REG, &request, "KVM_SET_ONE_REG");
}

void Enable(kvm_vcpu_init& init, uint32_t feature) {
  init.features[feature / 32] |= 1u << (feature % 32);
}

}  // namespace

absl::Status InitializeVcpu(KvmVcpu& vcpu, uint32_t index) {
  kvm_vcpu_init init = {};
  if (ioctl(vcpu.vm().fd(), KVM_ARM_PREFERRED_TARGET, &init) != 0) {
    return ErrnoStatus("KVM_ARM_PREFERRED_TARGET");
  }
  Enable(init, KVM_ARM_VCPU_PSCI_0_2);
  if (index != 0) Enable(init, KVM_ARM_VCPU_POWER_OFF);
  const Kvm& kvm = vcpu.vm().kvm();
  // KVM takes both or neither.
  if (kvm.Capability(KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 &&
      kvm.Capability(KVM_CAP_ARM_PTRAUTH_GENERIC) > 0) {
    Enable(init, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
    Enable(init, KVM_ARM_VCPU_PTRAUTH_GENERIC);
  }
  return vcpu.Control(KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
}

absl::Status SetEntry(KvmVcpu& vcpu, uint64_t entry, uint64_t x0) {
  RETURN_IF_ERROR(SetRegister(vcpu, kX0, x0));
  return SetRegister(vcpu, kPc, entry);
}

}  // namespace nacre::vmm::aarch64
