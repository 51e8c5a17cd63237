#include "vmm/guest_caching.h"

#include <cstdint>
#include <memory>

#include "base/status_macros.h"
#include "vmm/aarch64/vcpu_state.h"
#include "vmm/aarch64/vm_platform.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"

namespace nacre::vmm {
namespace {

constexpr uint64_t kIdAa64mmfr2El1 = ARM64_SYS_REG(3, 0, 0, 7, 2);
constexpr int kFwbShift = 40;  // Four bits.

}  // namespace

// With FEAT_S2FWB, KVM's stage 2 makes RAM Normal Write-Back for the guest,
// whatever its stage 1 says (arch/arm64/include/asm/memory.h, MT_S2_FWB_NORMAL;
// Arm ARM, "Stage 2 memory region type and cacheability attributes when
// FEAT_S2FWB is implemented"). Linux hides the feature from programs, but not
// from a vCPU's ID registers.
absl::StatusOr<bool> GuestsAreAlwaysCached() {
  ASSIGN_OR_RETURN(const Kvm kvm, Kvm::Open());
  ASSIGN_OR_RETURN(const std::unique_ptr<KvmVm> vm,
                   KvmVm::Create(kvm, aarch64::MakeVmPlatform(
                                          aarch64::GuestAddressBits(kvm))));
  ASSIGN_OR_RETURN(const std::unique_ptr<KvmVcpu> vcpu,
                   KvmVcpu::Create(*vm, 0));
  RETURN_IF_ERROR(aarch64::InitializeVcpu(*vcpu, 0));
  uint64_t features = 0;
  kvm_one_reg request = {};
  request.id = kIdAa64mmfr2El1;
  request.addr = reinterpret_cast<uintptr_t>(&features);
  RETURN_IF_ERROR(vcpu->Control(KVM_GET_ONE_REG, &request,
                                "KVM_GET_ONE_REG(ID_AA64MMFR2_EL1)"));
  return (features >> kFwbShift & 0xf) != 0;
}

}  // namespace nacre::vmm
