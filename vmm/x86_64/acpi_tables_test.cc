#include "vmm/x86_64/acpi_tables.h"

#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include "gtest/gtest.h"
#include "vmm/x86_64/layout.h"
#include "vmm/x86_64/power.h"

namespace nacre::vmm::x86_64 {
namespace {

constexpr uint64_t kBase = 0xe0000;
constexpr AddressRange kWindow64 = {0x200000000, 0x1000000000};

// Finds the tables as an operating system does: RSDP, XSDT, the rest.
class AcpiTablesTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(std::string(Text(0, 8)), "RSD PTR ");
    const uint64_t xsdt = Value<uint64_t>(24) - kBase;
    tables_[Text(xsdt, 4)] = xsdt;
    for (uint64_t at = xsdt + 36; at < xsdt + Length(xsdt); at += 8) {
      const uint64_t table = Value<uint64_t>(at) - kBase;
      tables_[Text(table, 4)] = table;
    }
    ASSERT_EQ(tables_.count("FACP"), 1u);
    const uint64_t dsdt = Value<uint64_t>(tables_["FACP"] + 140) - kBase;
    tables_[Text(dsdt, 4)] = dsdt;
  }

  template <typename T>
  T Value(uint64_t offset) const {
    T value = {};
    EXPECT_LE(offset + sizeof(T), bytes_.size());
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  std::string Text(uint64_t offset, size_t size) const {
    EXPECT_LE(offset + size, bytes_.size());
    return std::string(bytes_.begin() + offset, bytes_.begin() + offset + size);
  }
  uint32_t Length(uint64_t table) const { return Value<uint32_t>(table + 4); }
  uint8_t Sum(uint64_t offset, size_t size) const {
    return std::accumulate(bytes_.begin() + offset,
                           bytes_.begin() + offset + size, uint8_t{0});
  }

  const std::vector<uint8_t> bytes_ = MakeAcpiTables({3, kWindow64}, kBase);
  std::map<std::string, uint64_t> tables_;  // Offset by signature.
};

TEST_F(AcpiTablesTest, AllTablesAreLinkedAndSumToZero) {
  EXPECT_EQ(Sum(0, 20), 0);
  EXPECT_EQ(Sum(0, 36), 0);
  for (const char* name : {"XSDT", "FACP", "APIC", "MCFG", "DSDT"}) {
    ASSERT_EQ(tables_.count(name), 1u) << name;
    EXPECT_EQ(Sum(tables_[name], Length(tables_[name])), 0) << name;
  }
  EXPECT_EQ(tables_.size(), 5u);
  EXPECT_LE(bytes_.size(), kAcpiTables.size);
}

TEST_F(AcpiTablesTest, FadtDescribesReducedHardware) {
  const uint64_t fadt = tables_["FACP"];
  EXPECT_EQ(Length(fadt), 276u);
  EXPECT_GE(Value<uint8_t>(fadt + 8), 5);
  const uint32_t flags = Value<uint32_t>(fadt + 112);
  EXPECT_NE(flags & 1u << 20, 0u);  // HW_REDUCED_ACPI
  EXPECT_NE(flags & 1u << 10, 0u);  // RESET_REG_SUP
  EXPECT_EQ(Value<uint32_t>(fadt + 40), Value<uint64_t>(fadt + 140));
}

TEST_F(AcpiTablesTest, FadtNamesThePowerPorts) {
  const uint64_t fadt = tables_["FACP"];
  const auto expect_port = [&](uint64_t offset, uint64_t port) {
    EXPECT_EQ(Value<uint8_t>(fadt + offset), 1);      // System I/O.
    EXPECT_EQ(Value<uint8_t>(fadt + offset + 1), 8);  // Bits.
    EXPECT_EQ(Value<uint64_t>(fadt + offset + 4), port);
  };
  expect_port(116, kPowerPort + PowerDevice::kReset);
  EXPECT_EQ(Value<uint8_t>(fadt + 128), PowerDevice::kResetValue);
  expect_port(244, kPowerPort + PowerDevice::kSleepControl);
  expect_port(256, kPowerPort + PowerDevice::kSleepStatus);
}

TEST_F(AcpiTablesTest, MadtListsEachCpuAndTheIoApic) {
  const uint64_t madt = tables_["APIC"];
  EXPECT_EQ(Value<uint32_t>(madt + 36), kLocalApicAddress);
  int cpus = 0;
  int io_apics = 0;
  uint64_t at = madt + 44;
  while (at < madt + Length(madt)) {
    const uint8_t type = Value<uint8_t>(at);
    if (type == 0) {
      EXPECT_EQ(Value<uint8_t>(at + 3), cpus);
      EXPECT_EQ(Value<uint32_t>(at + 4), 1u);
      ++cpus;
    } else {
      EXPECT_EQ(type, 1);
      EXPECT_EQ(Value<uint32_t>(at + 4), kIoApicAddress);
      ++io_apics;
    }
    at += Value<uint8_t>(at + 1);
  }
  EXPECT_EQ(at, madt + Length(madt));
  EXPECT_EQ(cpus, 3);
  EXPECT_EQ(io_apics, 1);
}

TEST_F(AcpiTablesTest, McfgNamesTheEcamOfBusZero) {
  const uint64_t mcfg = tables_["MCFG"];
  EXPECT_EQ(Length(mcfg), 60u);
  EXPECT_EQ(Value<uint64_t>(mcfg + 44), kEcam.address);
  EXPECT_EQ(Value<uint8_t>(mcfg + 54), 0);
  EXPECT_EQ(Value<uint8_t>(mcfg + 55), 0);
}

TEST_F(AcpiTablesTest, DsdtHasTheDevicesAndSoftOff) {
  const uint64_t dsdt = tables_["DSDT"];
  const std::string aml = Text(dsdt + 36, Length(dsdt) - 36);
  for (const char* name : {"PCI0", "MBRD", "COM1", "CP00", "CP02", "_S5_"}) {
    EXPECT_NE(aml.find(name), std::string::npos) << name;
  }
  EXPECT_EQ(aml.find("CP03"), std::string::npos);
}

TEST(AcpiTablesSizeTest, TheMostCpusFit) {
  EXPECT_LE(MakeAcpiTables({64, kWindow64}, kBase).size(), kAcpiTables.size);
}

}  // namespace
}  // namespace nacre::vmm::x86_64
