#ifndef NACRE_VMM_AARCH64_TESTING_TINY_GUEST_H_
#define NACRE_VMM_AARCH64_TESTING_TINY_GUEST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/aarch64/layout.h"
#include "vmm/guest_memory.h"
#include "vmm/io_bus.h"
#include "vmm/io_device.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"
#include "vmm/outcome.h"

namespace nacre::vmm::aarch64 {

// A real virtual machine that runs a few instructions at EL1 with its MMU off,
// for tests of what only KVM can show. Interrupt controllers as a Machine's.
class TinyGuest {
 public:
  static constexpr uint64_t kMemory = kRamStart;
  static constexpr uint64_t kMemorySize = 1 * kMiB;
  // A store here ends Run.
  static constexpr uint64_t kDone = kSerial.address;

  // Errors: those of Kvm::Open where tests should skip.
  static absl::StatusOr<std::unique_ptr<TinyGuest>> Create(uint32_t vcpus = 1);
  ~TinyGuest();

  KvmVm& vm() { return *vm_; }
  GuestMemory& memory() { return memory_; }
  IoBus& mmio() { return mmio_; }
  ExitCounters& counters() { return counters_; }

  // The vCPUs, new ones at first, of which the first runs `code` from kMemory.
  // Interrupts are connected from then on.
  void Load(std::span<const uint32_t> code);
  // Puts more code, for other vCPUs, or data there before they run.
  void Write(uint64_t address, std::span<const uint32_t> words);
  // Runs the first vCPU on this thread until it stops, the others meanwhile on
  // theirs. `wait_for_memory` as of KvmVcpu::Run, for the first.
  Outcome Run(const std::function<bool()>& wait_for_memory = nullptr);
  // After Load; for any thread.
  KvmVcpu& vcpu(uint32_t index) { return *vcpus_[index]; }
  // A new virtual machine in place of the old one; Load comes next.
  absl::Status Reset();

 private:
  class DoneDevice final : public IoDevice {
   public:
    explicit DoneDevice(TinyGuest* guest) : guest_(guest) {}
    void Read(uint64_t, std::span<uint8_t> data) override { data[0] = 0; }
    void Write(uint64_t, std::span<const uint8_t>) override {
      guest_->vcpus_[0]->RequestStop();
    }

   private:
    TinyGuest* const guest_;
  };

  TinyGuest(Kvm kvm, GuestMemory memory, uint32_t vcpus);
  absl::Status Initialize();
  absl::Status CreateVcpus();

  const Kvm kvm_;
  GuestMemory memory_;
  const uint32_t vcpu_count_;
  IoBus ports_;
  IoBus mmio_;
  ExitCounters counters_;
  DoneDevice done_{this};
  std::unique_ptr<KvmVm> vm_;
  std::vector<std::unique_ptr<KvmVcpu>> vcpus_;
};

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_TESTING_TINY_GUEST_H_
