#include "vmm/x86_64/acpi_tables.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "vmm/x86_64/aml.h"
#include "vmm/x86_64/layout.h"
#include "vmm/x86_64/power.h"

namespace nacre::vmm::x86_64 {
namespace {

using aml::Bytes;

// The structures of chapter 5, packed as there.
struct [[gnu::packed]] Rsdp {
  char signature[8];
  uint8_t checksum;  // Of the first 20 bytes.
  char oem_id[6];
  uint8_t revision;
  uint32_t rsdt_address;
  uint32_t length;
  uint64_t xsdt_address;
  uint8_t extended_checksum;
  uint8_t reserved[3];
};
static_assert(sizeof(Rsdp) == 36);

struct [[gnu::packed]] TableHeader {
  char signature[4];
  uint32_t length;
  uint8_t revision;
  uint8_t checksum;
  char oem_id[6];
  char oem_table_id[8];
  uint32_t oem_revision;
  char creator_id[4];
  uint32_t creator_revision;
};
static_assert(sizeof(TableHeader) == 36);

struct [[gnu::packed]] GenericAddress {
  uint8_t space = 0;
  uint8_t bit_width = 0;
  uint8_t bit_offset = 0;
  uint8_t access_size = 0;
  uint64_t address = 0;
};

// The fixed table without its header, revision 6; what reduced hardware leaves
// out is zero.
struct [[gnu::packed]] Fadt {
  uint32_t firmware_control = 0;
  uint32_t dsdt = 0;
  uint8_t reserved0[65] = {};
  uint16_t boot_architecture = 0;
  uint8_t reserved1 = 0;
  uint32_t flags = 0;
  GenericAddress reset_register;
  uint8_t reset_value = 0;
  uint16_t arm_boot_architecture = 0;
  uint8_t minor_revision = 0;
  uint64_t x_firmware_control = 0;
  uint64_t x_dsdt = 0;
  GenericAddress x_pm_blocks[8];
  GenericAddress sleep_control_register;
  GenericAddress sleep_status_register;
  uint64_t hypervisor_vendor = 0;
};
static_assert(sizeof(TableHeader) + sizeof(Fadt) == 276);

constexpr uint16_t kBootVgaNotPresent = 1 << 2;
// There is one at its ports, but it has no interrupt, without which Linux's
// driver complains; the time comes from kvm-clock.
constexpr uint16_t kBootCmosRtcNotPresent = 1 << 5;
constexpr uint32_t kFadtWbinvd = 1 << 0;
constexpr uint32_t kFadtNoFixedPowerButton = 1 << 4;
constexpr uint32_t kFadtNoFixedSleepButton = 1 << 5;
constexpr uint32_t kFadtResetRegister = 1 << 10;
constexpr uint32_t kFadtHardwareReduced = 1 << 20;

struct [[gnu::packed]] Madt {
  uint32_t local_apic_address = kLocalApicAddress;
  uint32_t flags = 0;  // No 8259.
};
struct [[gnu::packed]] MadtLocalApic {
  uint8_t type = 0;
  uint8_t length = 8;
  uint8_t processor_uid = 0;
  uint8_t apic_id = 0;
  uint32_t flags = 1;  // Enabled.
};
struct [[gnu::packed]] MadtIoApic {
  uint8_t type = 1;
  uint8_t length = 12;
  uint8_t id = 0;
  uint8_t reserved = 0;
  uint32_t address = kIoApicAddress;
  uint32_t gsi_base = 0;
};

struct [[gnu::packed]] Mcfg {
  uint64_t reserved0 = 0;
  uint64_t base = 0;
  uint16_t segment = 0;
  uint8_t first_bus = 0;
  uint8_t last_bus = 0;
  uint32_t reserved1 = 0;
};

constexpr uint64_t kTableAlignment = 16;
constexpr char kOemId[] = "NACRE ";
constexpr char kOemTableId[] = "NACREVMM";

uint8_t Checksum(std::span<const uint8_t> bytes) {
  return static_cast<uint8_t>(
      -std::accumulate(bytes.begin(), bytes.end(), uint8_t{0}));
}

template <typename T>
void Put(Bytes& out, const T& value) {
  const std::span<const uint8_t> bytes = AsBytes(value);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes Table(absl::string_view signature, uint8_t revision, const Bytes& body) {
  TableHeader header = {};
  std::copy(signature.begin(), signature.end(), header.signature);
  header.length = static_cast<uint32_t>(sizeof(header) + body.size());
  header.revision = revision;
  std::memcpy(header.oem_id, kOemId, sizeof(header.oem_id));
  std::memcpy(header.oem_table_id, kOemTableId, sizeof(header.oem_table_id));
  header.oem_revision = 1;
  std::memcpy(header.creator_id, kOemId, sizeof(header.creator_id));
  header.creator_revision = 1;
  Bytes table;
  Put(table, header);
  table.insert(table.end(), body.begin(), body.end());
  table[offsetof(TableHeader, checksum)] = Checksum(table);
  return table;
}

GenericAddress PortRegister(uint16_t port) {
  constexpr uint8_t kSystemIo = 1;
  constexpr uint8_t kByteAccess = 1;
  return {kSystemIo, 8, 0, kByteAccess, port};
}

Bytes MakeFadt(uint64_t dsdt_address) {
  Fadt fadt;
  fadt.dsdt = static_cast<uint32_t>(dsdt_address);
  fadt.x_dsdt = dsdt_address;
  fadt.boot_architecture = kBootVgaNotPresent | kBootCmosRtcNotPresent;
  fadt.flags = kFadtWbinvd | kFadtNoFixedPowerButton | kFadtNoFixedSleepButton |
               kFadtResetRegister | kFadtHardwareReduced;
  fadt.reset_register = PortRegister(kPowerPort + PowerDevice::kReset);
  fadt.reset_value = PowerDevice::kResetValue;
  fadt.minor_revision = 4;
  fadt.sleep_control_register =
      PortRegister(kPowerPort + PowerDevice::kSleepControl);
  fadt.sleep_status_register =
      PortRegister(kPowerPort + PowerDevice::kSleepStatus);
  Bytes body;
  Put(body, fadt);
  return Table("FACP", 6, body);
}

Bytes MakeMadt(uint32_t vcpus) {
  Bytes body;
  Put(body, Madt());
  for (uint32_t i = 0; i < vcpus; ++i) {
    MadtLocalApic entry;
    entry.processor_uid = static_cast<uint8_t>(i);
    entry.apic_id = static_cast<uint8_t>(i);
    Put(body, entry);
  }
  Put(body, MadtIoApic());
  return Table("APIC", 5, body);
}

Bytes MakeMcfg() {
  Mcfg mcfg;
  mcfg.base = kEcam.address;
  Bytes body;
  Put(body, mcfg);
  return Table("MCFG", 1, body);
}

Bytes Processors(uint32_t vcpus) {
  Bytes terms;
  for (uint32_t i = 0; i < vcpus; ++i) {
    const Bytes device =
        aml::Device(absl::StrFormat("CP%02X", i),
                    {aml::Name("_HID", aml::String("ACPI0007")),
                     aml::Name("_UID", aml::Integer(i))});
    terms.insert(terms.end(), device.begin(), device.end());
  }
  return terms;
}

Bytes MakeDsdt(const AcpiConfig& config) {
  const Bytes system_bus = aml::SystemBusScope({
      Processors(config.vcpus),
      aml::Device(
          "PCI0",
          {aml::Name("_HID", aml::EisaId("PNP0A08")),  // PCI Express,
           aml::Name("_CID", aml::EisaId("PNP0A03")),  // and plain PCI.
           aml::Name("_SEG", aml::Integer(0)),
           aml::Name("_BBN", aml::Integer(0)),
           aml::Name("_UID", aml::Integer(0)),
           aml::Name(
               "_CRS", aml::ResourceTemplate(
                           {aml::BusNumbers(0, 0),
                            aml::MemoryWindow32(kPciWindow32.address,
                                                kPciWindow32.size),
                            aml::MemoryWindow64(config.pci_window64.address,
                                                config.pci_window64.size)}))}),
      // Linux uses ECAM only where a motherboard resource reserves it.
      aml::Device("MBRD",
                  {aml::Name("_HID", aml::EisaId("PNP0C02")),
                   aml::Name("_UID", aml::Integer(0)),
                   aml::Name("_CRS", aml::ResourceTemplate({aml::Memory32Fixed(
                                         kEcam.address, kEcam.size)}))}),
      aml::Device("COM1",
                  {aml::Name("_HID", aml::EisaId("PNP0501")),
                   aml::Name("_UID", aml::Integer(0)),
                   aml::Name("_CRS", aml::ResourceTemplate(
                                         {aml::Ports(kSerialPort, 8),
                                          aml::EdgeInterrupt(kSerialIrq)}))}),
  });
  const Bytes soft_off = aml::RootName(
      "_S5_",
      aml::Package({aml::Integer(PowerDevice::kSoftOff), aml::Integer(0)}));
  return Table("DSDT", 2, aml::Join({system_bus, soft_off}));
}

}  // namespace

std::vector<uint8_t> MakeAcpiTables(const AcpiConfig& config,
                                    uint64_t address) {
  Bytes out(sizeof(Rsdp));
  const auto append = [&out, address](const Bytes& table) {
    out.resize((out.size() + kTableAlignment - 1) / kTableAlignment *
               kTableAlignment);
    const uint64_t at = address + out.size();
    out.insert(out.end(), table.begin(), table.end());
    return at;
  };
  const uint64_t dsdt = append(MakeDsdt(config));
  Bytes pointers;
  for (const Bytes& table :
       {MakeFadt(dsdt), MakeMadt(config.vcpus), MakeMcfg()}) {
    Put(pointers, append(table));
  }
  Rsdp rsdp = {};
  std::memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
  std::memcpy(rsdp.oem_id, kOemId, sizeof(rsdp.oem_id));
  rsdp.revision = 2;
  rsdp.length = sizeof(rsdp);
  rsdp.xsdt_address = append(Table("XSDT", 1, pointers));
  rsdp.checksum = Checksum(AsBytes(rsdp).first(20));
  rsdp.extended_checksum = Checksum(AsBytes(rsdp));
  std::memcpy(out.data(), &rsdp, sizeof(rsdp));
  return out;
}

}  // namespace nacre::vmm::x86_64
