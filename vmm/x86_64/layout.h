#ifndef NACRE_VMM_X86_64_LAYOUT_H_
#define NACRE_VMM_X86_64_LAYOUT_H_

#include <cstdint>

#include "vmm/address_range.h"

// Where everything lies in the guest-physical address space of our x86-64
// machine. As on a PC: RAM from 0, a hole below 4 GiB, RAM again from 4 GiB.
namespace nacre::vmm::x86_64 {

inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint64_t kGiB = 1 << 30;

// Below 640 KiB, in RAM that the guest may use once it has booted.
inline constexpr uint64_t kGdtAddress = 0x1000;
inline constexpr uint64_t kPageTablesAddress = 0x2000;  // 6 pages.
inline constexpr uint64_t kBootParamsAddress = 0x10000;
inline constexpr uint64_t kCommandLineAddress = 0x20000;

// The legacy area that a PC keeps for video memory and firmware: reserved, and
// the firmware's part holds the ACPI tables.
inline constexpr uint64_t kLegacyHoleStart = 0x9fc00;
inline constexpr AddressRange kAcpiTables = {0xe0000, 0x1fff0};
inline constexpr uint64_t kResetVector = 0xffff0;  // F000:FFF0.
inline constexpr uint64_t kHighMemoryStart = 1 * kMiB;

// The hole.
inline constexpr uint64_t kDeviceHoleStart = 3 * kGiB;
inline constexpr AddressRange kPciWindow32 = {kDeviceHoleStart, 512 * kMiB};
inline constexpr AddressRange kEcam = {0xe0000000, kMiB};  // Bus 0.
inline constexpr uint64_t kIoApicAddress = 0xfec00000;
inline constexpr uint64_t kLocalApicAddress = 0xfee00000;
inline constexpr uint64_t kIdentityMapAddress = 0xfffbc000;  // Intel only,
inline constexpr uint64_t kTssAddress = 0xfffbd000;          // 3 pages.
inline constexpr uint64_t kDeviceHoleEnd = 4 * kGiB;

// Ports.
inline constexpr uint16_t kI8042Port = 0x64;    // 1 port.
inline constexpr uint16_t kRtcPort = 0x70;      // 2 ports.
inline constexpr uint16_t kReportPort = 0xf4;   // 2, see guest_report.h.
inline constexpr uint16_t kSerialPort = 0x3f8;  // 8.
inline constexpr uint16_t kPowerPort = 0x600;   // 3, see power.h.
inline constexpr uint16_t kPciConfigPort = 0xcf8;

// Interrupt inputs of the IOAPIC.
inline constexpr uint32_t kSerialIrq = 4;
inline constexpr uint32_t kIoApicInputs = 24;

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_LAYOUT_H_
