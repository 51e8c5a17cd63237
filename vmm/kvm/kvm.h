#ifndef NACRE_VMM_KVM_KVM_H_
#define NACRE_VMM_KVM_KVM_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/fd.h"

namespace nacre::vmm {

// The host's hypervisor, /dev/kvm (kernel: Documentation/virt/kvm/api.rst).
// Thread-safe.
class Kvm {
 public:
  // Opens it and checks that it can do what KvmVm and KvmVcpu need. Errors:
  // Unavailable where there is none or it is too old, PermissionDenied; the
  // errno of a call that fails all the same.
  static absl::StatusOr<Kvm> Open();

  // KVM_CHECK_EXTENSION: 0 where `capability` is absent.
  int Capability(int capability) const;
  // A virtual machine's fd. `type` is the architecture's; 0 is its default.
  absl::StatusOr<Fd> CreateVm(uint64_t type) const;
  // Bytes of each vCPU's kvm_run mapping.
  size_t run_size() const { return run_size_; }
  int fd() const { return fd_.get(); }

 private:
  Kvm(Fd fd, size_t run_size);

  Fd fd_;
  size_t run_size_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_KVM_H_
