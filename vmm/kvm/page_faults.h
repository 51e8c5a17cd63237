#ifndef NACRE_VMM_KVM_PAGE_FAULTS_H_
#define NACRE_VMM_KVM_PAGE_FAULTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "vmm/kvm/memory_slots.h"

namespace nacre::vmm {

// What a vCPU does about KVM_RUN's EFAULT: the guest touched memory that the
// host could not give. Its thread's; what it borrows outlives it.
class PageFaults {
 public:
  // `stop` and `wait_for_memory`, which may be empty, as KvmVcpu has them.
  PageFaults(const MemorySlots& slots, const std::atomic<bool>& stop,
             const std::function<bool()>& wait_for_memory)
      : slots_(slots), stop_(stop), wait_for_memory_(wait_for_memory) {}

  // After one, at the guest address that KVM said, if it did. Whether the guest
  // may try again at once; else the memory is not to be had just now. What the
  // guest has there is kept.
  bool Mend(std::optional<uint64_t> address);

  // Where it was not to be had for longer than a moment: puts zeroes in place
  // of what a window had there or, where KVM did not say, of all in windows
  // that the host cannot give. Whether the guest may go on so. The last
  // resort: nobody tells the guest's programs.
  bool GiveUp(std::optional<uint64_t> address);

  // After an exit of another kind.
  void Forget() {
    at_address_ = 0;
    in_vain_ = 0;
  }

 private:
  const MemorySlots& slots_;
  const std::atomic<bool>& stop_;
  const std::function<bool()>& wait_for_memory_;
  int at_address_ = 0;  // Faults in a row at a page that the host has.
  uint64_t address_ = 0;
  // Times that no page of any window was lost. The others are no sign of a
  // fault that stays: a guest's kicks and interrupts need no exits for hours.
  int in_vain_ = 0;
  uint64_t windows_seen_ = 0;  // Of MemorySlots::ReplaceLostPages.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_PAGE_FAULTS_H_
