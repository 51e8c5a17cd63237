#ifndef NACRE_VMM_KVM_IO_EVENTS_H_
#define NACRE_VMM_KVM_IO_EVENTS_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "vmm/hypervisor.h"

namespace nacre::vmm {

// A virtual machine's KVM_IOEVENTFDs, remembered to make them again in a new
// virtual machine. Thread-safe.
class IoEvents final : public KickBinder {
 public:
  absl::Status BindKick(uint64_t guest_address, uint32_t size,
                        const EventFd& event) override;
  absl::Status UnbindKick(uint64_t guest_address, uint32_t size,
                          const EventFd& event) override;

  // From now on `vm` (borrowed) has the bindings, present and future.
  absl::Status MoveTo(int vm);

 private:
  struct Binding {
    uint64_t guest_address;
    uint32_t size;
    // Borrowed: the same number undoes the binding; the event outlives it.
    int event;
    bool operator==(const Binding&) const = default;
  };

  absl::Status Set(const Binding& binding, uint32_t flags)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  int vm_ ABSL_GUARDED_BY(mutex_) = -1;
  std::vector<Binding> bindings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_IO_EVENTS_H_
