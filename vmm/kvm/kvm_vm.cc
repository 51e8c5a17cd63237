#include "vmm/kvm/kvm_vm.h"

#include <utility>

#include "base/status_macros.h"

namespace nacre::vmm {

KvmVm::KvmVm(const Kvm& kvm, Platform platform, uint32_t gsi_end)
    : kvm_(kvm),
      type_(platform.type),
      set_up_(std::move(platform.set_up)),
      irq_router_(std::move(platform.fixed_routes), platform.first_msi_gsi,
                  gsi_end) {}

absl::StatusOr<std::unique_ptr<KvmVm>> KvmVm::Create(const Kvm& kvm,
                                                     Platform platform) {
  // The capability's value is the number of GSIs.
  const int gsi_end = kvm.Capability(KVM_CAP_IRQ_ROUTING);
  std::unique_ptr<KvmVm> vm(
      new KvmVm(kvm, std::move(platform), static_cast<uint32_t>(gsi_end)));
  RETURN_IF_ERROR(vm->Reset());
  return vm;
}

absl::Status KvmVm::Reset() {
  // First the old one, whose irqfds listen to the same events.
  fd_.Reset();
  ASSIGN_OR_RETURN(fd_, kvm_.CreateVm(type_));
  RETURN_IF_ERROR(set_up_(fd_.get()));
  RETURN_IF_ERROR(memory_slots_.MoveTo(fd_.get()));
  RETURN_IF_ERROR(irq_router_.MoveTo(fd_.get()));
  return io_events_.MoveTo(fd_.get());
}

}  // namespace nacre::vmm
