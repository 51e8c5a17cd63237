#include "vmm/kvm/io_events.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm {

absl::Status IoEvents::BindKick(uint64_t guest_address, uint32_t size,
                                const EventFd& event) {
  MutexLock lock(mutex_);
  const Binding binding = {guest_address, size, event.fd()};
  RETURN_IF_ERROR(Set(binding, 0));
  bindings_.push_back(binding);
  return absl::OkStatus();
}

absl::Status IoEvents::UnbindKick(uint64_t guest_address, uint32_t size,
                                  const EventFd& event) {
  MutexLock lock(mutex_);
  const Binding binding = {guest_address, size, event.fd()};
  const auto it = std::find(bindings_.begin(), bindings_.end(), binding);
  if (it == bindings_.end()) {
    return absl::NotFoundError(
        absl::StrFormat("no kick is bound at %#x", guest_address));
  }
  // Where KVM has no memory for a shorter list of what it answers in an address
  // space, it drops all of that, and returns no error (virt/kvm/kvm_main.c,
  // kvm_io_bus_unregister_dev, up to Linux 6.12 at least): writes to our
  // bindings are exits from then on, and this one is gone as well. Gone are
  // also, until the guest reboots, the registers of its IOAPIC or GIC. To leave
  // bindings where a BAR has been would save few guests from that, and take the
  // writes to whatever the guest has there next.
  const absl::Status status = Set(binding, KVM_IOEVENTFD_FLAG_DEASSIGN);
  if (!status.ok() && StatusErrno(status) != ENOENT) return status;
  bindings_.erase(it);
  return absl::OkStatus();
}

absl::Status IoEvents::MoveTo(int vm) {
  MutexLock lock(mutex_);
  vm_ = vm;
  for (const Binding& binding : bindings_) RETURN_IF_ERROR(Set(binding, 0));
  return absl::OkStatus();
}

absl::Status IoEvents::Set(const Binding& binding, uint32_t flags) {
  kvm_ioeventfd request = {};
  request.addr = binding.guest_address;
  request.len = binding.size;
  request.fd = binding.event;
  request.flags = flags;
  if (ioctl(vm_, KVM_IOEVENTFD, &request) != 0) {
    const int error = errno;
    const std::string what = absl::StrFormat(
        "KVM_IOEVENTFD(%d bytes at %#x)", binding.size, binding.guest_address);
    if (error == EEXIST) return absl::AlreadyExistsError(what);
    return ErrnoStatus(error, what);
  }
  return absl::OkStatus();
}

}  // namespace nacre::vmm
