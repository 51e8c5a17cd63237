#ifndef NACRE_TOOLS_GUEST_KERNEL_PLATFORM_H_
#define NACRE_TOOLS_GUEST_KERNEL_PLATFORM_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "vmm/guest_memory.h"
#include "vmm/hypervisor.h"
#include "vmm/io_bus.h"
#include "vmm/irq_line.h"
#include "vmm/pci/pci_bus.h"

namespace nacre::guest_kernel {

// What KVM does for devices, where the guest is this process: each costs the
// device what KVM's costs it, an eventfd's write or read.

// The interrupt inputs of the guest's only CPU. Lines are edges: those that the
// CPU has not taken yet merge.
class InterruptController : public vmm::MsiController {
 public:
  // The most vectors: messages' data are below it.
  static constexpr uint32_t kMaxVectors = 32;

  static absl::StatusOr<std::unique_ptr<InterruptController>> Create();

  absl::StatusOr<std::unique_ptr<vmm::MsiLine>> CreateMsiLine(
      uint32_t requester_id) override;

  // Sleeps until there is an interrupt, and takes all that there are: a bit for
  // each vector. 0 once Stop was called. One thread.
  uint32_t Take();
  void Stop();

 private:
  class Line;
  explicit InterruptController(Fd event) : event_(std::move(event)) {}
  void Raise(uint32_t vectors);

  static constexpr uint32_t kStop = 1u << 31;

  const Fd event_;  // An eventfd that blocks.
  std::atomic<uint32_t> pending_ = 0;
};

// Kicks: as the guest sets up its device from one thread, before it kicks.
class Kicks : public vmm::KickBinder {
 public:
  absl::Status BindKick(uint64_t guest_address, uint32_t size,
                        const EventFd& event) override;
  absl::Status UnbindKick(uint64_t guest_address, uint32_t size,
                          const EventFd& event) override;
  // What a write to `guest_address` signals, as long as it is bound; or null.
  const EventFd* Find(uint64_t guest_address) const;

 private:
  std::map<uint64_t, EventFd> kicks_;
};

// Device memory in the guest's address space; set up by one thread.
class Windows : public vmm::MemoryWindows {
 public:
  absl::Status AddWindow(uint64_t guest_address,
                         std::span<uint8_t> host) override;
  absl::Status RemoveWindow(uint64_t guest_address) override;
  // Where [guest_address, guest_address + size) is; empty where it is not.
  std::span<uint8_t> Find(uint64_t guest_address, uint64_t size) const;

 private:
  std::map<uint64_t, std::span<uint8_t>> windows_;
};

// A machine with RAM and a PCI bus.
struct Platform {
  static constexpr vmm::PciWindows kPciWindows = {
      .low = {0xc000'0000, 0x1000'0000},
      .high = {0x100'0000'0000, 0x100'0000'0000}};

  // `ram_bytes` from address 0, below kPciWindows.
  static absl::StatusOr<std::unique_ptr<Platform>> Create(uint64_t ram_bytes);

  // In the order of their making; the bus has the devices.
  vmm::GuestMemory memory;
  std::unique_ptr<InterruptController> interrupts;
  Kicks kicks;
  Windows windows;
  vmm::IoBus mmio;
  vmm::PciBus pci{kPciWindows};

 private:
  Platform(vmm::GuestMemory memory_in,
           std::unique_ptr<InterruptController> interrupts_in)
      : memory(std::move(memory_in)), interrupts(std::move(interrupts_in)) {}
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_PLATFORM_H_
