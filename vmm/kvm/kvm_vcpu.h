#ifndef NACRE_VMM_KVM_KVM_VCPU_H_
#define NACRE_VMM_KVM_KVM_VCPU_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "base/mapping.h"
#include "vmm/io_bus.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/kvm/kvm_vm.h"
#include "vmm/outcome.h"

namespace nacre::vmm {

// Returns from KVM_RUN by kind. Any thread reads them.
struct ExitCounters {
  std::atomic<uint64_t> port_reads = 0;
  std::atomic<uint64_t> port_writes = 0;
  std::atomic<uint64_t> mmio_reads = 0;
  std::atomic<uint64_t> mmio_writes = 0;
  std::atomic<uint64_t> interrupted = 0;
  std::atomic<uint64_t> other = 0;
};

// One virtual CPU. Created, run and destroyed by anyone, but run by one thread
// at a time; RequestStop is for any thread.
class KvmVcpu {
 public:
  // `id` is below the number that KVM allows, each id once in a virtual
  // machine. `vm` outlives this, and is not reset while this exists.
  static absl::StatusOr<std::unique_ptr<KvmVcpu>> Create(const KvmVm& vm,
                                                         uint32_t id);

  const KvmVm& vm() const { return vm_; }

  // A KVM ioctl of the vCPU, `what` for the error message. For the
  // architecture's register state.
  absl::Status Control(uint64_t request, void* argument,
                       absl::string_view what);
  // The same, for those that return a number.
  absl::StatusOr<int> ControlNumber(uint64_t request, void* argument,
                                    absl::string_view what);

  // Runs the guest, its I/O answered by the buses, until RequestStop or
  // something that only the whole machine can answer. Counts exits. Where the
  // guest touched memory that is mapped without access, calls `wait_for_memory`
  // if there is one and tries again if that returns true. Where the host has no
  // memory, which KVM also says as if a page could not be given, or no thread
  // for KVM, tries again for a moment (HostShortage). Where after that moment
  // it was a window's page that the host cannot give, gives the guest another
  // one (see MemorySlots::ReplaceWindowPage); where KVM does not say which page
  // it was, as on aarch64 and before Linux 6.8, all of that kind
  // (ReplaceLostPages).
  Outcome Run(IoBus& ports, IoBus& mmio, ExitCounters& counters,
              const std::function<bool()>& wait_for_memory = nullptr);

  // Makes Run return kStopped, now or when it is next called; a string
  // instruction may then have been carried out in part. The thread in Run must
  // also get signals (with a handler that does nothing) until it has returned:
  // it may be in the guest, or about to block in a device's call of the host.
  void RequestStop();

 private:
  KvmVcpu(const KvmVm& vm, Fd fd, Mapping run);

  kvm_run& run() { return *reinterpret_cast<kvm_run*>(run_.data()); }
  void HandlePortIo(IoBus& ports, ExitCounters& counters);
  void HandleMmio(IoBus& mmio, ExitCounters& counters);

  const KvmVm& vm_;
  Fd fd_;
  Mapping run_;  // A kvm_run and what it points to; shared with the kernel.
  std::atomic<bool> stop_ = false;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_KVM_KVM_VCPU_H_
