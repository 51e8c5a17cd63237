#ifndef NACRE_VMM_PCI_PCI_DEVICE_H_
#define NACRE_VMM_PCI_PCI_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/address_range.h"
#include "vmm/pci/bar.h"
#include "vmm/pci/config_space.h"

namespace nacre::vmm {

enum class BarType {
  kMemory32,              // Below 4 GiB, not prefetchable.
  kMemory64Prefetchable,  // Takes two registers.
};

// Where a host bridge decodes memory. A BAR that the guest programs to be
// anywhere else is not decoded, so that no BAR can hide RAM, an interrupt
// controller or the configuration window.
struct PciWindows {
  AddressRange low;   // Below 4 GiB.
  AddressRange high;  // Above RAM, for 64-bit BARs.
};

// Hands out addresses in the windows, as firmware would.
class BarAllocator {
 public:
  explicit BarAllocator(const PciWindows& windows)
      : windows_(windows),
        next_low_(windows.low.address),
        next_high_(windows.high.address) {}
  const PciWindows& windows() const { return windows_; }
  // `size` bytes aligned to `size`, a power of two. ResourceExhausted where the
  // window is full.
  absl::StatusOr<uint64_t> Allocate(BarType type, uint64_t size);

 private:
  PciWindows windows_;
  uint64_t next_low_;
  uint64_t next_high_;
};

// A PCI function (number 0 of its device): configuration space and what its
// BARs map. Base class of devices, which add capabilities and BARs when they
// are made and hear of the accesses that mean something to them.
//
// Everything in configuration space is guest-controlled from the moment the
// device is on a bus. All public methods are called by the bus, one at a time
// and on vCPU threads once the guest runs; destroyed when no vCPU runs.
class PciDevice {
 public:
  explicit PciDevice(const PciIdentity& identity) : config_(identity) {}
  PciDevice(const PciDevice&) = delete;
  PciDevice& operator=(const PciDevice&) = delete;
  virtual ~PciDevice();

  // Gives each BAR an address, not yet decoded: the guest enables that by the
  // command register. What configuration space is now, a Reset goes back to.
  absl::Status AssignBars(BarAllocator& allocator);

  // Any offset and size within the 4096 bytes of ECAM.
  void ReadConfig(uint16_t offset, std::span<uint8_t> data);
  void WriteConfig(uint16_t offset, std::span<const uint8_t> data);

  // As at power-on. See UpdateMappings for BARs that cannot be unmapped.
  void Reset();

 protected:
  ConfigSpace& config() { return config_; }

  // `index` is the register's number, 0 to 5, `size` a power of two of at least
  // a page. Only before AssignBars.
  void AddBar(int index, BarType type, uint64_t size,
              std::unique_ptr<BarBacking> backing);

  // Hooks: before the guest reads [offset, offset + size) of configuration
  // space, and after it has written it.
  virtual void WillReadConfig(uint16_t offset, size_t size);
  virtual void DidWriteConfig(uint16_t offset, size_t size);
  // The device's own part of Reset; configuration space is as at power-on
  // already, and no BAR is to be decoded.
  virtual void DidReset() {}

  // For derived destructors whose BARs' backings need the derived object. What
  // the host does not let go stays, which no vCPU that runs may see.
  void UnmapBars();

 private:
  struct Bar {
    int index;
    BarType type;
    uint64_t size;
    std::unique_ptr<BarBacking> backing;
    std::optional<uint64_t> mapped;
  };

  uint64_t ProgrammedAddress(const Bar& bar) const;
  // Makes what is decoded follow the command register and the BARs. Where the
  // host has no memory for it, BARs stay where they are or undecoded until the
  // next access to configuration space, which tries again: drivers read back
  // what they wrote.
  void UpdateMappings();
  void Unmap(Bar& bar);

  ConfigSpace config_;
  std::optional<ConfigSpace> power_on_;  // Set by AssignBars.
  PciWindows windows_;
  std::vector<Bar> bars_;
  bool unsettled_ = false;  // What is decoded is not as it should be.
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_PCI_DEVICE_H_
