#ifndef NACRE_VMM_PCI_PCI_BUS_H_
#define NACRE_VMM_PCI_PCI_BUS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "vmm/io_device.h"
#include "vmm/pci/pci_device.h"

namespace nacre::vmm {

// A function's place on bus 0: one function, number 0, per device.
struct PciAddress {
  static constexpr uint8_t kMaxDevices = 32;

  uint8_t device = 0;  // Below kMaxDevices.

  // Bus, device and function as interrupt controllers know them.
  uint32_t requester_id() const { return uint32_t{device} << 3; }
};

// PCI bus 0 with a host bridge as device 0. Configuration accesses of all vCPUs
// are serialized here. Whatever is not there reads as all ones; the functions
// are not multifunction devices, so that a guest looks once at each of the 32.
//
// Thread-safe. A device is called with the bus's lock held and must not call
// back into the bus.
class PciBus {
 public:
  explicit PciBus(const PciWindows& windows);

  // Puts `device` on the bus and gives its BARs addresses. Errors:
  // InvalidArgument for an address beyond the bus, AlreadyExists for one in
  // use, ResourceExhausted where a window is full.
  absl::Status Add(PciAddress address, std::unique_ptr<PciDevice> device);

  // A guest's access to configuration space: `function` is bus, device and
  // function as 16 bits, `offset` below 4096, the size 1 to 8, and all of it
  // otherwise the guest's choice.
  void ReadConfig(uint16_t function, uint16_t offset, std::span<uint8_t> data);
  void WriteConfig(uint16_t function, uint16_t offset,
                   std::span<const uint8_t> data);

  // Every device back to power-on, for a machine that restarts.
  void Reset();

 private:
  PciDevice* Find(uint16_t function) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  BarAllocator allocator_ ABSL_GUARDED_BY(mutex_);
  std::array<std::unique_ptr<PciDevice>, PciAddress::kMaxDevices> devices_
      ABSL_GUARDED_BY(mutex_);
};

// Configuration mechanism #1 (PCI 3.0, 3.2.2.3.2): the eight x86 ports from
// 0xcf8, an address register and a window of four bytes on what it selects.
class PciConfigPorts : public IoDevice {
 public:
  static constexpr uint16_t kSize = 8;

  // `bus` outlives this.
  explicit PciConfigPorts(PciBus* bus) : bus_(bus) {}
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  PciBus* const bus_;
  // Between selecting and accessing, guests hold a lock of their own.
  std::atomic<uint32_t> address_ = 0;
};

// Enhanced configuration access (PCI Express 5.0, 7.2.2): 4096 bytes for each
// function, of bus 0 in the first MiB.
class PciEcam : public IoDevice {
 public:
  // `bus` outlives this.
  explicit PciEcam(PciBus* bus) : bus_(bus) {}
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  PciBus* const bus_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_PCI_BUS_H_
