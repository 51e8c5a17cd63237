#ifndef NACRE_VMM_KVM_MEMORY_SLOTS_H_
#define NACRE_VMM_KVM_MEMORY_SLOTS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/page_size.h"
#include "vmm/address_range.h"
#include "vmm/guest_memory.h"
#include "vmm/hypervisor.h"

namespace nacre::vmm {

// A virtual machine's memory slots (KVM_SET_USER_MEMORY_REGION): its RAM and
// its windows, all of whole pages of the host. Remembers them, to make them
// again in a new virtual machine. Thread-safe.
class MemorySlots final : public MemoryWindows {
 public:
  // `page_size` is the host's, for tests.
  explicit MemorySlots(uint64_t page_size = HostPageSize())
      : page_size_(page_size) {}

  // Errors as of AddWindow.
  absl::Status AddRam(const GuestMemory& memory);

  absl::Status AddWindow(uint64_t guest_address,
                         std::span<uint8_t> host) override;
  absl::Status RemoveWindow(uint64_t guest_address) override;

  // After a fault of KVM's at a guest address: has the host make the page that
  // a window has there, and says whether it could. False for an address in no
  // window.
  bool MakeWindowPage(uint64_t guest_address) const;

  // Puts zeroed memory in place of the page that a window has there, until the
  // window's owner maps there anew: what the page had is lost. A guest that
  // touches a window must not end its machine by that, whatever the file of a
  // GPU's driver behind it does. False for an address in no window, and where
  // the host lets nothing be mapped.
  bool ReplaceWindowPage(uint64_t guest_address) const;

  // After faults of KVM's at an address that it does not tell: the same for
  // every page that the windows have of mapped files, or that are gone, and
  // that the host cannot give; says whether there is zeroed memory now in place
  // of any. Other pages of files are made, where they were not: as many as the
  // guest has mapped.
  //
  // One to ten microseconds a page of the caller's thread, a vCPU's, and one
  // vCPU after the other: a guest that has pages go again and again takes its
  // own time. `seen` is the caller's, 0 at first: where others have replaced
  // something since it was here that counts as done, and nothing is looked at.
  // Leaves the rest once `stop` is true. No lock is held meanwhile that the
  // windows' owners wait for.
  bool ReplaceLostPages(uint64_t& seen, const std::atomic<bool>& stop) const;

  // From now on `vm` (borrowed) has the slots, present and future.
  absl::Status MoveTo(int vm);

 private:
  struct Slot {
    uint32_t id;
    uint64_t size;
    uint64_t host_address;
    bool is_window;
  };

  absl::Status Add(uint64_t guest_address, uint64_t size, uint64_t host_address,
                   bool is_window) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Set(uint64_t guest_address, const Slot& slot)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The host's address of a window's memory; nullopt where `range`, of guest
  // addresses, is not all in one window.
  std::optional<uint64_t> WindowMemory(AddressRange range) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // ReplaceLostPages for what a window has, or had, at a guest address.
  bool ReplaceLostPagesOf(uint64_t guest_address, AddressRange memory,
                          const std::atomic<bool>& stop) const;
  uint32_t FreeId() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t page_size_;
  mutable Mutex replace_mutex_;  // Before mutex_.
  // How often ReplaceLostPages replaced something.
  mutable uint64_t replacements_ ABSL_GUARDED_BY(replace_mutex_) = 0;
  mutable Mutex mutex_;
  int vm_ ABSL_GUARDED_BY(mutex_) = -1;
  std::map<uint64_t, Slot> slots_ ABSL_GUARDED_BY(mutex_);  // By guest address.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_MEMORY_SLOTS_H_
