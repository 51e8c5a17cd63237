#ifndef NACRE_VMM_HYPERVISOR_H_
#define NACRE_VMM_HYPERVISOR_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "base/event_fd.h"

namespace nacre::vmm {

// The two services of a hypervisor that devices need beyond interrupts, each
// implemented by the KVM virtual machine and by fakes in tests.
//
// Threads: both are thread-safe. A PciTransport calls them on the thread of a
// vCPU that accesses configuration space, within that access and with PciBus's
// lock held, while other vCPUs run or wait for that lock. So they must not wait
// for a vCPU, not even to pause it, and must not call the bus. When no vCPU
// runs, they are called where the bus is reset and where a transport is
// destroyed; a MmioTransport calls them where it is made and destroyed, and
// nowhere else.

// Kicks without an exit to user space: the hypervisor signals an eventfd when
// the guest writes to an address (KVM_IOEVENTFD).
class KickBinder {
 public:
  virtual ~KickBinder() = default;
  // From now on a guest write of `size` bytes (1, 2, 4 or 8; 0 matches any) to
  // `guest_address` signals `event` and goes nowhere else. `event`'s counter
  // stays alive as long as the binding. Errors: AlreadyExists; the errno.
  virtual absl::Status BindKick(uint64_t guest_address, uint32_t size,
                                const EventFd& event) = 0;
  // Undoes the BindKick of the same three values. Errors: NotFound; others
  // leave it bound.
  virtual absl::Status UnbindKick(uint64_t guest_address, uint32_t size,
                                  const EventFd& event) = 0;
};

// Host memory that the guest reaches directly at an address outside its RAM,
// as one slot of the hypervisor (KVM_SET_USER_MEMORY_REGION).
class MemoryWindows {
 public:
  virtual ~MemoryWindows() = default;
  // Makes `host` visible to the guest at `guest_address`, read and write. What
  // lies behind `host` may be remapped later (MAP_FIXED): the guest follows.
  // `host` stays mapped, all of it readable, until RemoveWindow. Errors:
  // InvalidArgument (alignment, overlap), the errno.
  //
  // Even so the host may fail to give a page of it: it is out of memory, or a
  // GPU's driver has let go of a buffer's. A vCPU that touches it then stops
  // (KVM_RUN's EFAULT). Whoever runs it mends that, or the guest ends there: as
  // vmm/kvm/page_faults.h does, which tries again for a moment and only then
  // puts zeroed memory in the page's place (mmap with MAP_FIXED).
  virtual absl::Status AddWindow(uint64_t guest_address,
                                 std::span<uint8_t> host) = 0;
  // Errors: NotFound; others leave the window where it is.
  virtual absl::Status RemoveWindow(uint64_t guest_address) = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_HYPERVISOR_H_
