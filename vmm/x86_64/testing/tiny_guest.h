#ifndef NACRE_VMM_X86_64_TESTING_TINY_GUEST_H_
#define NACRE_VMM_X86_64_TESTING_TINY_GUEST_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/guest_memory.h"
#include "vmm/io_bus.h"
#include "vmm/io_device.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"
#include "vmm/outcome.h"

namespace nacre::vmm::x86_64 {

// A real virtual machine that runs a few bytes of real-mode code, for tests of
// what only KVM can show. One vCPU, in-kernel interrupt controllers.
class TinyGuest {
 public:
  static constexpr uint64_t kMemorySize = 0x8000;  // From address 0.
  static constexpr uint64_t kCodeAddress = 0x1000;
  // A write here ends Run.
  static constexpr uint16_t kDonePort = 0x10;

  // Errors: those of Kvm::Open where tests should skip.
  static absl::StatusOr<std::unique_ptr<TinyGuest>> Create();
  ~TinyGuest();

  KvmVm& vm() { return *vm_; }
  GuestMemory& memory() { return memory_; }
  IoBus& ports() { return ports_; }
  IoBus& mmio() { return mmio_; }
  ExitCounters& counters() { return counters_; }

  // The vCPU, new at first, at `code`, which it writes to kCodeAddress.
  // Interrupts are connected from then on.
  KvmVcpu& Load(std::span<const uint8_t> code);
  // Runs the vCPU on this thread until it stops.
  Outcome Run();
  // A new virtual machine in place of the old one; Load comes next.
  absl::Status Reset();

 private:
  class DoneDevice final : public IoDevice {
   public:
    explicit DoneDevice(TinyGuest* guest) : guest_(guest) {}
    void Read(uint64_t, std::span<uint8_t> data) override { data[0] = 0; }
    void Write(uint64_t, std::span<const uint8_t>) override {
      guest_->vcpu_->RequestStop();
    }

   private:
    TinyGuest* const guest_;
  };

  TinyGuest(Kvm kvm, GuestMemory memory);
  absl::Status Initialize();

  const Kvm kvm_;
  GuestMemory memory_;
  IoBus ports_;
  IoBus mmio_;
  ExitCounters counters_;
  DoneDevice done_{this};
  std::unique_ptr<KvmVm> vm_;
  std::unique_ptr<KvmVcpu> vcpu_;
};

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_TESTING_TINY_GUEST_H_
