#include "vmm/kvm/kvm.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm {
namespace {

constexpr char kPath[] = "/dev/kvm";

struct Requirement {
  int capability;
  const char* name;
};
constexpr Requirement kRequirements[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

}  // namespace

Kvm::Kvm(Fd fd, size_t run_size) : fd_(std::move(fd)), run_size_(run_size) {}

absl::StatusOr<Kvm> Kvm::Open() {
  Fd fd(open(kPath, O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == EACCES || errno == EPERM) {
      return absl::PermissionDeniedError(
          absl::StrCat(kPath, ": permission denied; join the group kvm"));
    }
    return absl::UnavailableError(absl::StrCat(
        ErrnoStatus(kPath).message(),
        "; enable virtualization (arm64: the kernel must start at EL2), or "
        "load the kernel's module (x86: kvm_intel or kvm_amd)"));
  }
  const int version = ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  if (version < 0) return ErrnoStatus("KVM_GET_API_VERSION");
  if (version != KVM_API_VERSION) {
    return absl::UnavailableError(absl::StrCat(
        kPath, " has API version ", version, "; needed is ", KVM_API_VERSION));
  }
  const int run_size = ioctl(fd.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_size < 0) return ErrnoStatus("KVM_GET_VCPU_MMAP_SIZE");
  if (run_size < static_cast<int>(sizeof(kvm_run))) {
    return absl::UnavailableError(
        absl::StrCat(kPath, ": kvm_run of ", run_size, " bytes"));
  }
  Kvm kvm(std::move(fd), static_cast<size_t>(run_size));
  for (const Requirement& requirement : kRequirements) {
    if (kvm.Capability(requirement.capability) <= 0) {
      return absl::UnavailableError(absl::StrCat(
          kPath, " lacks ", requirement.name, "; a newer kernel has it"));
    }
  }
  return kvm;
}

int Kvm::Capability(int capability) const {
  return ioctl(fd_.get(), KVM_CHECK_EXTENSION, capability);
}

absl::StatusOr<Fd> Kvm::CreateVm(uint64_t type) const {
  int vm = -1;
  // Interrupted by any signal to this thread.
  do {
    vm = ioctl(fd_.get(), KVM_CREATE_VM, type);
  } while (vm < 0 && errno == EINTR);
  if (vm < 0) return ErrnoStatus("KVM_CREATE_VM");
  return Fd(vm);
}

}  // namespace nacre::vmm
