#ifndef NACRE_VMM_X86_64_AML_H_
#define NACRE_VMM_X86_64_AML_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// ACPI Machine Language (ACPI 6.4, chapter 20): each function returns the bytes
// of one term, and terms nest. Just what our DSDT needs.
namespace nacre::vmm::x86_64::aml {

using Bytes = std::vector<uint8_t>;

// Terms one after the other.
Bytes Join(std::initializer_list<Bytes> terms);

Bytes Integer(uint64_t value);
Bytes String(absl::string_view text);
// A compressed id such as "PNP0A08" (ACPI 19.3.4).
Bytes EisaId(absl::string_view id);
Bytes Package(std::initializer_list<Bytes> elements);
// `name` has four characters of A-Z, 0-9 and _.
Bytes Name(absl::string_view name, const Bytes& value);
Bytes Device(absl::string_view name, std::initializer_list<Bytes> terms);
// The scope \_SB.
Bytes SystemBusScope(std::initializer_list<Bytes> terms);
// At the root of the name space, as \_S5 has to be.
Bytes RootName(absl::string_view name, const Bytes& value);

// A buffer of resource descriptors (ACPI 6.4), closed by an end tag.
Bytes ResourceTemplate(std::initializer_list<Bytes> descriptors);
// Fixed ports [base, base + size).
Bytes Ports(uint16_t base, uint8_t size);
// A fixed range of memory.
Bytes Memory32Fixed(uint32_t address, uint32_t size);
// An edge-triggered, active-high, exclusive interrupt input.
Bytes EdgeInterrupt(uint32_t gsi);
// What a host bridge passes on to its buses.
Bytes BusNumbers(uint16_t first, uint16_t last);
Bytes MemoryWindow32(uint32_t address, uint32_t size);
Bytes MemoryWindow64(uint64_t address, uint64_t size);

}  // namespace nacre::vmm::x86_64::aml

#endif  // NACRE_VMM_X86_64_AML_H_
