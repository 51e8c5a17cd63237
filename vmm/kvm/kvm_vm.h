#ifndef NACRE_VMM_KVM_KVM_VM_H_
#define NACRE_VMM_KVM_KVM_VM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "vmm/kvm/io_events.h"
#include "vmm/kvm/irq_router.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/memory_slots.h"

namespace nacre::vmm {

// A KVM virtual machine without its vCPUs.
//
// KVM can neither reset a virtual machine nor make a vCPU twice, so Reset makes
// a new one and gives it all that devices had set up in the old one: they
// notice nothing. One thread for Create, Reset and ConnectInterrupts.
//
// A virtual machine comes to life in this order, after Create and after each
// Reset alike, since interrupt controllers differ in what must exist before
// them (an x86 one none of the vCPUs, an arm64 one all of them):
//   1. Create or Reset: Platform::set_up; memory slots and kicks are in place.
//   2. The vCPUs, KvmVcpu::Create, with their initial state.
//   3. ConnectInterrupts: Platform::complete_interrupts; routes and irqfds.
//   4. KvmVcpu::Run.
// Interrupts that devices raise before step 3 arrive then.
class KvmVm {
 public:
  // What the architecture decides.
  struct Platform {
    uint64_t type = 0;  // Of KVM_CREATE_VM.
    // Called with each new virtual machine's fd, before anything else. Judges
    // too whether the host has what the other steps need: Unavailable.
    std::function<absl::Status(int vm)> set_up;
    // Called when its vCPUs are there: makes what of its interrupt controllers
    // set_up has not. Null for nothing.
    std::function<absl::Status(int vm)> complete_interrupts;
    // See IrqRouter::Plan.
    std::vector<kvm_irq_routing_entry> fixed_routes;
    uint32_t first_msi_gsi = 0;
    bool msi_device_ids = false;
  };

  // `kvm` outlives it.
  static absl::StatusOr<std::unique_ptr<KvmVm>> Create(const Kvm& kvm,
                                                       Platform platform);

  // No vCPU of the old one may exist any more.
  absl::Status Reset();

  // Once, when all vCPUs exist in their initial state and none has run.
  absl::Status ConnectInterrupts();

  MemorySlots& memory_slots() { return memory_slots_; }
  const MemorySlots& memory_slots() const { return memory_slots_; }
  IoEvents& io_events() { return io_events_; }
  IrqRouter& irq_router() { return irq_router_; }
  const Kvm& kvm() const { return kvm_; }
  // Valid until Reset.
  int fd() const { return fd_.get(); }

 private:
  KvmVm(const Kvm& kvm, Platform platform);

  const Kvm& kvm_;
  const Platform platform_;
  Fd fd_;
  MemorySlots memory_slots_;
  IoEvents io_events_;
  IrqRouter irq_router_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_KVM_VM_H_
