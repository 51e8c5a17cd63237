#ifndef NACRE_VMM_MACHINE_H_
#define NACRE_VMM_MACHINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "vmm/address_range.h"
#include "vmm/event_loop.h"
#include "vmm/guest_memory.h"
#include "vmm/hypervisor.h"
#include "vmm/io_bus.h"
#include "vmm/irq_line.h"
#include "vmm/outcome.h"

namespace nacre::vmm {

// What a machine is made of. Plain data; Machine::Create judges it.
struct MachineConfig {
  // 1 to kMaxVcpus.
  uint32_t vcpus = 1;
  // RAM, where the architecture has room for it: see DefaultMemoryLayout.
  std::vector<GuestMemory::RegionSpec> memory;
  // A Linux kernel; its format is recognised (x86-64: bzImage, or the ELF
  // vmlinux that is within it, which boots faster; aarch64: Image).
  std::string kernel_path;
  // An initial RAM disk; empty for none.
  std::string initrd_path;
  std::string command_line;
  // Where the serial console's output goes; borrowed, -1 drops it.
  int console_output_fd = -1;
};

inline constexpr uint32_t kMaxVcpus = 64;

// `size` bytes of RAM (a multiple of the page) as the architecture lays them
// out around its holes, for a configuration that names no regions.
std::vector<GuestMemory::RegionSpec> DefaultMemoryLayout(uint64_t size);

// The guest-physical ranges that the machine's firmware tables promise to PCI.
// The host bridge (segment 0) decodes them; functions signal by MSI only.
struct PciRanges {
  AddressRange ecam;      // 1 MiB per bus, from bus 0.
  AddressRange window32;  // For BARs below 4 GiB.
  AddressRange window64;  // For 64-bit BARs, above all RAM.
  // Where the port-I/O configuration mechanism (PCI 3.0, 3.2.2.3.2) belongs,
  // eight ports; nullopt on an architecture without ports.
  std::optional<uint16_t> config_ports;
};

struct MachineStats {
  // Returns from the hypervisor to this process, by kind, over all runs.
  struct Exits {
    uint64_t port_reads = 0;
    uint64_t port_writes = 0;
    uint64_t mmio_reads = 0;
    uint64_t mmio_writes = 0;
    uint64_t interrupted = 0;  // A signal, nearly always ours to stop.
    uint64_t other = 0;
    uint64_t Total() const {
      return port_reads + port_writes + mmio_reads + mmio_writes + interrupted +
             other;
    }
  };
  Exits exits;
  // Port and MMIO accesses that no device answered.
  uint64_t unmatched_reads = 0;
  uint64_t unmatched_writes = 0;
  // From the start of this process to its entering the guest for the first
  // time; nullopt before that.
  std::optional<absl::Duration> time_to_first_instruction;
  // Runs of the guest so far: 1 plus the reboots.
  uint64_t boots = 0;
};

// A virtual machine with its RAM, vCPUs, interrupt controllers and the
// platform devices that the architecture cannot do without (serial console,
// clock, power). The owner attaches a PCI host and everything behind it to the
// buses before the first Run.
//
// Create, Run and the destructor on one thread; the accessors return objects
// that live as long as the machine and say themselves who may call them. All
// devices on the buses outlive Run, and the machine outlives their MsiLines,
// kick bindings and windows.
class Machine {
 public:
  // Builds the machine and checks the images. Errors, each one line that says
  // what was asked, found and would be right: InvalidArgument and NotFound for
  // a configuration that cannot work (command line, memory layout, vCPUs, a
  // file that is missing or no kernel, images that do not fit); Unavailable or
  // PermissionDenied where the host gives no hypervisor; the errno otherwise.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(
      const MachineConfig& config);
  virtual ~Machine() = default;

  virtual GuestMemory& memory() = 0;
  virtual IoBus& port_bus() = 0;  // Never used where there are no ports.
  virtual IoBus& mmio_bus() = 0;
  virtual MsiController& msi_controller() = 0;
  virtual KickBinder& kick_binder() = 0;
  virtual MemoryWindows& memory_windows() = 0;
  virtual PciRanges pci_ranges() const = 0;

  // Boots the guest and runs it to an outcome. The vCPUs have threads of their
  // own; the calling thread runs `loop` meanwhile, whose Stop ends the run
  // with kStopped. When it returns no vCPU runs. SIGUSR1 interrupts the vCPUs:
  // from then on this process has a handler of it that does nothing.
  //
  // After kReset it may be called again, once the owner has reset its devices:
  // RAM is zero, the images are loaded anew, vCPUs and interrupt controllers
  // are in their initial state; MsiLines, kick bindings and windows persist.
  virtual Outcome Run(EventLoop& loop) = 0;

  // Bytes typed at the serial console. Takes as many as it has room for and
  // returns their number; the guest may not be running. Any thread.
  virtual size_t WriteConsoleInput(std::span<const uint8_t> bytes) = 0;

  // The last status byte that a program in the guest reported (GuestReport: a
  // byte written to I/O port 0xf4), over all runs. Any thread.
  virtual std::optional<uint8_t> guest_status() const = 0;

  // Any thread, exact when no vCPU runs.
  virtual MachineStats stats() const = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_MACHINE_H_
