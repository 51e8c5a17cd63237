#ifndef NACRE_VMM_KVM_RUN_ERRORS_H_
#define NACRE_VMM_KVM_RUN_ERRORS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "vmm/host_shortage.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/memory_slots.h"
#include "vmm/kvm/page_faults.h"
#include "vmm/outcome.h"

namespace nacre::vmm {

// What a vCPU does about errors of KVM_RUN, most of which are no reason to end
// its guest. Its thread's; what it borrows outlives it.
class RunErrors {
 public:
  // `vcpu` and `run` are KVM's, the others as PageFaults has them.
  RunErrors(int vcpu, const kvm_run& run, const MemorySlots& slots,
            const std::atomic<bool>& stop,
            const std::function<bool()>& wait_for_memory)
      : vcpu_(vcpu), run_(run), page_faults_(slots, stop, wait_for_memory) {}

  // After each, perhaps with a pause: nullopt where KVM_RUN is to be called
  // again.
  std::optional<Outcome> Take(int error);

  // After an exit.
  void Forget() {
    page_faults_.Forget();
    memory_.End();
    OnNoRefusal();
  }

 private:
  std::optional<Outcome> OnEagain();
  std::optional<Outcome> OnNoMemory(int error);
  void OnNoRefusal() {
    refused_ = false;
    threads_.End();
  }

  const int vcpu_;
  const kvm_run& run_;
  PageFaults page_faults_;
  HostShortage memory_;
  std::chrono::steady_clock::time_point memory_short_at_;
  uint64_t memory_short_for_ = 0;  // The address, where KVM said one.
  HostShortage threads_;
  bool refused_ = false;  // EAGAIN was the last.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_RUN_ERRORS_H_
