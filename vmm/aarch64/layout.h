#ifndef NACRE_VMM_AARCH64_LAYOUT_H_
#define NACRE_VMM_AARCH64_LAYOUT_H_

#include <cstdint>

#include "vmm/address_range.h"

// Where everything lies in the guest-physical address space of our arm64
// machine: devices in the first GiB, RAM from there on in one piece, and above
// it PCI's 64-bit window. The guest learns all of it from the device tree.
namespace nacre::vmm::aarch64 {

inline constexpr uint64_t kKiB = 1 << 10;
inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint64_t kGiB = 1 << 30;

// The GICv3, each part on pages of 64 KiB (Arm IHI 0069, 12.1). Redistributors
// of two such pages for each vCPU, kMaxVcpus of them, in the vCPUs' order.
inline constexpr AddressRange kGicDistributor = {0x08000000, 64 * kKiB};
inline constexpr AddressRange kGicIts = {0x08080000, 128 * kKiB};
inline constexpr uint64_t kGicRedistributors = 0x080a0000;
inline constexpr uint64_t kGicRedistributorSize = 128 * kKiB;

// On pages of their own, also of a guest whose pages have 64 KiB.
inline constexpr AddressRange kSerial = {0x09000000, 8};
inline constexpr AddressRange kRtc = {0x09010000, 4 * kKiB};

// PCI. I/O port n is at kPciIo.address + n.
inline constexpr AddressRange kPciIo = {0x09020000, 64 * kKiB};
inline constexpr AddressRange kPciWindow32 = {0x10000000, 0x2e000000};
inline constexpr AddressRange kEcam = {0x3f000000, kMiB};  // Bus 0.

inline constexpr uint64_t kRamStart = 1 * kGiB;

// Two I/O ports, see GuestReport.
inline constexpr uint16_t kReportPort = 0xf4;

// Shared peripheral interrupts, numbered from 0 as in a device tree and by
// KVM's GSIs; the GIC's own numbers are higher by 32.
inline constexpr uint32_t kSerialSpi = 0;
inline constexpr uint32_t kSpis = 32;

// Private peripheral interrupts of the generic timer, numbered from 0; those
// that KVM uses unless told otherwise (Arm's base system architecture).
inline constexpr uint32_t kSecurePhysicalTimerPpi = 13;
inline constexpr uint32_t kPhysicalTimerPpi = 14;
inline constexpr uint32_t kVirtualTimerPpi = 11;
inline constexpr uint32_t kHypervisorTimerPpi = 10;

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_LAYOUT_H_
