#ifndef NACRE_VMM_AARCH64_DEVICE_TREE_H_
#define NACRE_VMM_AARCH64_DEVICE_TREE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "vmm/address_range.h"
#include "vmm/guest_memory.h"

namespace nacre::vmm::aarch64 {

// What differs between machines; the rest is layout.h's.
struct DeviceTreeConfig {
  // Each vCPU's MPIDR, its affinity fields, of which the fourth is zero. The
  // first boots.
  std::vector<uint64_t> mpidrs;
  std::vector<GuestMemory::RegionSpec> ram;
  AddressRange pci_window64;
  std::string command_line;
  AddressRange initrd;  // Of size 0 for none.
  // Random, other ones for each boot: they seed the guest's random numbers, so
  // that it need not wait for any, and place its kernel in its address space.
  std::array<uint8_t, 64> rng_seed = {};
  uint64_t kaslr_seed = 0;
};

// The flattened device tree that a kernel is entered with (kernel:
// Documentation/devicetree/bindings), at most kDeviceTreeSpace bytes. Errors:
// ResourceExhausted where the configuration has too much of something.
absl::StatusOr<std::vector<uint8_t>> MakeDeviceTree(
    const DeviceTreeConfig& config);

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_DEVICE_TREE_H_
