#ifndef NACRE_VMM_PCI_BAR_H_
#define NACRE_VMM_PCI_BAR_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "vmm/hypervisor.h"
#include "vmm/io_bus.h"
#include "vmm/io_device.h"

namespace nacre::vmm {

// What lies behind a base address register: appears in guest-physical address
// space where the guest programmed the register, and goes when it moves it.
// Called on vCPU threads, one call at a time, Map and Unmap in turns but for
// those that fail.
class BarBacking {
 public:
  virtual ~BarBacking() = default;
  // `address` is aligned to the BAR's size. An error leaves it unmapped.
  virtual absl::Status Map(uint64_t address) = 0;
  // Undoes Map(address), or as much as the host lets it. An error leaves it
  // mapped: the same Unmap again goes on with the rest.
  virtual absl::Status Unmap(uint64_t address) = 0;
};

// Registers: every access is an exit that a device answers.
class RegisterBar : public BarBacking {
 public:
  // Both outlive this.
  RegisterBar(IoBus* bus, uint64_t size, IoDevice* device)
      : bus_(bus), size_(size), device_(device) {}
  absl::Status Map(uint64_t address) override;
  absl::Status Unmap(uint64_t address) override;

 private:
  IoBus* const bus_;
  const uint64_t size_;
  IoDevice* const device_;
};

// Host memory that the guest reaches without an exit.
class MemoryBar : public BarBacking {
 public:
  // `windows` and the mapping of `host` outlive this.
  MemoryBar(MemoryWindows* windows, std::span<uint8_t> host)
      : windows_(windows), host_(host) {}
  absl::Status Map(uint64_t address) override;
  absl::Status Unmap(uint64_t address) override;

 private:
  MemoryWindows* const windows_;
  const std::span<uint8_t> host_;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PCI_BAR_H_
