#ifndef NACRE_VMM_ARCHITECTURE_H_
#define NACRE_VMM_ARCHITECTURE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/guest_memory.h"
#include "vmm/image_loader.h"
#include "vmm/io_bus.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"
#include "vmm/machine.h"
#include "vmm/outcome.h"

namespace nacre::vmm {

// What an architecture supplies: everything that differs between instruction
// sets, in a folder of its own, of which Bazel links the one that fits the
// target platform. The whole of it is
//   - this class and CreateArchitecture, to Machine;
//   - the KvmVm::Platform (vmm/kvm/kvm_vm.h) that it gives out, to KvmVm;
//   - DefaultMemoryLayout (vmm/machine.h), to whoever configures a Machine;
//   - MakeSpinGuest and LoadSpin (vmm/spin_guest.h), to Probe;
//   - GuestsAreAlwaysCached (vmm/guest_caching.h), to whoever chooses a GPU.
//
// All calls on the machine's thread while no vCPU runs, unless said otherwise.
// Once KvmPlatform and AttachDevices; then for each boot WriteTables, SetUpVcpu
// for one vCPU after the other from the first, the KvmVm's ConnectInterrupts,
// and images. Before each boot but the first comes ResetDevices, when KvmVm has
// made a new virtual machine.
class Architecture {
 public:
  virtual ~Architecture() = default;

  // How to make a KVM virtual machine of this architecture.
  virtual KvmVm::Platform KvmPlatform() const = 0;
  virtual PciRanges pci_ranges() const = 0;

  // Puts the platform's own devices on the buses, once. They report the end of
  // a run to `outcomes`, where it is not KVM that does. All four outlive this
  // object's use. Interrupts are not connected yet.
  virtual absl::Status AttachDevices(KvmVm& vm, IoBus& ports, IoBus& mmio,
                                     OutcomeSink& outcomes) = 0;
  // Returns those devices to their state after power-on.
  virtual void ResetDevices() = 0;

  // What of kernel and initrd goes where, the kernel's entry first. The files
  // are this object's.
  virtual std::vector<ImagePiece> images() const = 0;
  // Writes everything else that the guest finds at boot (tables, command line)
  // into `memory`, which but for the images is zero.
  virtual absl::Status WriteTables(const GuestMemory& memory) = 0;
  // Gives a new vCPU, KvmVcpu::Create's id `index`, its state for boot: the
  // first at the kernel's entry, the others waiting for the guest to start
  // them.
  virtual absl::Status SetUpVcpu(KvmVcpu& vcpu, uint32_t index) = 0;

  // See Machine. Any thread.
  virtual size_t WriteConsoleInput(std::span<const uint8_t> bytes) = 0;
  virtual std::optional<uint8_t> guest_status() const = 0;
};

// Checks `config` (its memory regions do not overlap, in any order) and opens
// and checks the images. Errors as of Machine::Create. `kvm` outlives the
// result.
absl::StatusOr<std::unique_ptr<Architecture>> CreateArchitecture(
    const Kvm& kvm, const MachineConfig& config);

}  // namespace nacre::vmm

#endif  // NACRE_VMM_ARCHITECTURE_H_
