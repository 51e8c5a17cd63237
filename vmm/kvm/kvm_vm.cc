#include "vmm/kvm/kvm_vm.h"

#include <utility>

#include "base/status_macros.h"

namespace nacre::vmm {

KvmVm::KvmVm(const Kvm& kvm, Platform platform)
    : kvm_(kvm),
      platform_(std::move(platform)),
      irq_router_({
          .fixed_routes = platform_.fixed_routes,
          .first_msi_gsi = platform_.first_msi_gsi,
          // The capability's value is the number of GSIs.
          .gsi_end = static_cast<uint32_t>(kvm.Capability(KVM_CAP_IRQ_ROUTING)),
          .msi_device_ids = platform_.msi_device_ids,
      }) {}

absl::StatusOr<std::unique_ptr<KvmVm>> KvmVm::Create(const Kvm& kvm,
                                                     Platform platform) {
  std::unique_ptr<KvmVm> vm(new KvmVm(kvm, std::move(platform)));
  RETURN_IF_ERROR(vm->Reset());
  return vm;
}

absl::Status KvmVm::Reset() {
  // First the old one, whose irqfds listen to the same events.
  irq_router_.Disconnect();
  fd_.Reset();
  ASSIGN_OR_RETURN(fd_, kvm_.CreateVm(platform_.type));
  RETURN_IF_ERROR(platform_.set_up(fd_.get()));
  RETURN_IF_ERROR(memory_slots_.MoveTo(fd_.get()));
  return io_events_.MoveTo(fd_.get());
}

absl::Status KvmVm::ConnectInterrupts() {
  if (platform_.complete_interrupts) {
    RETURN_IF_ERROR(platform_.complete_interrupts(fd_.get()));
  }
  return irq_router_.Connect(fd_.get());
}

}  // namespace nacre::vmm
