#include "vmm/kvm/page_faults.h"

namespace nacre::vmm {
namespace {

// For a page that KVM cannot use though the host has it. Some drivers give one
// at last; to try on would be for ever with those that do not.
constexpr int kTriesOfPage = 3;

}  // namespace

bool PageFaults::Mend(std::optional<uint64_t> address) {
  if (address && slots_.MakeWindowPage(*address)) {
    at_address_ = *address == address_ ? at_address_ + 1 : 1;
    address_ = *address;
    if (at_address_ <= kTriesOfPage) return true;
  }
  if (wait_for_memory_ && wait_for_memory_()) return true;
  // No failure of a guest that is to stop.
  return stop_.load();
}

bool PageFaults::GiveUp(std::optional<uint64_t> address) {
  if (address) return slots_.ReplaceWindowPage(*address) || stop_.load();
  in_vain_ = slots_.ReplaceLostPages(windows_seen_, stop_) ? 0 : in_vain_ + 1;
  return in_vain_ <= kTriesOfPage || stop_.load();
}

}  // namespace nacre::vmm
