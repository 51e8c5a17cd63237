#ifndef NACRE_VMM_X86_64_ACPI_TABLES_H_
#define NACRE_VMM_X86_64_ACPI_TABLES_H_

#include <cstdint>
#include <vector>

#include "vmm/address_range.h"

namespace nacre::vmm::x86_64 {

// What the tables depend on; the rest is fixed by layout.h.
struct AcpiConfig {
  uint32_t vcpus = 1;  // Local APIC ids 0 to vcpus - 1.
  AddressRange pci_window64;
};

// The firmware tables (ACPI 6.4, chapter 5) for guest memory at `address`, the
// RSDP first: RSDP, XSDT, FADT, MADT, MCFG, DSDT. The hardware is "reduced"
// (4.1): no SCI, no PM timer, no 8259; sleep and reset registers are ports.
std::vector<uint8_t> MakeAcpiTables(const AcpiConfig& config, uint64_t address);

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_ACPI_TABLES_H_
