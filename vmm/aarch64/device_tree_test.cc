#include "vmm/aarch64/device_tree.h"

#include <libfdt.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/placement.h"

namespace nacre::vmm::aarch64 {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

DeviceTreeConfig GoodConfig() {
  DeviceTreeConfig config;
  config.mpidrs = {0, 1, 0x100};
  config.ram = {{kRamStart, 512 * kMiB}, {8 * kGiB, 6 * kGiB}};
  config.pci_window64 = {16 * kGiB, 64 * kGiB};
  config.command_line = "console=ttyS0 quiet";
  config.initrd = {kRamStart + 0x4000000, 12345};
  config.rng_seed.fill(0x5a);
  config.kaslr_seed = 0x1122334455667788;
  return config;
}

// Reads a tree as Linux does: by path, each property by name.
class DeviceTreeTest : public testing::Test {
 protected:
  void SetUp() override { Make(GoodConfig()); }

  void Make(const DeviceTreeConfig& config) {
    tree_ = MakeDeviceTree(config).value();
    ASSERT_EQ(fdt_check_full(tree_.data(), tree_.size()), 0);
  }

  std::string Raw(const std::string& path, const char* name) {
    const int node = fdt_path_offset(tree_.data(), path.c_str());
    EXPECT_GE(node, 0) << path;
    int size = 0;
    const void* value = fdt_getprop(tree_.data(), node, name, &size);
    EXPECT_NE(value, nullptr) << path << " " << name;
    if (value == nullptr) return "";
    return std::string(static_cast<const char*>(value), size);
  }
  bool Has(const std::string& path, const char* name) {
    const int node = fdt_path_offset(tree_.data(), path.c_str());
    return node >= 0 &&
           fdt_getprop(tree_.data(), node, name, nullptr) != nullptr;
  }
  std::vector<std::string> Strings(const std::string& path, const char* name) {
    const std::string raw = Raw(path, name);
    std::vector<std::string> strings;
    for (size_t at = 0; at < raw.size(); at += strings.back().size() + 1) {
      strings.emplace_back(raw.c_str() + at);
    }
    return strings;
  }
  std::vector<uint32_t> Cells(const std::string& path, const char* name) {
    const std::string raw = Raw(path, name);
    std::vector<uint32_t> cells(raw.size() / sizeof(uint32_t));
    std::memcpy(cells.data(), raw.data(), cells.size() * sizeof(uint32_t));
    for (uint32_t& cell : cells) cell = fdt32_to_cpu(cell);
    return cells;
  }
  std::vector<uint64_t> Wide(const std::string& path, const char* name) {
    const std::vector<uint32_t> cells = Cells(path, name);
    std::vector<uint64_t> values;
    for (size_t i = 0; i + 1 < cells.size(); i += 2) {
      values.push_back(uint64_t{cells[i]} << 32 | cells[i + 1]);
    }
    return values;
  }
  // The path of the node that `phandle` in a property refers to.
  std::string Referred(uint32_t phandle) {
    char path[128] = {};
    const int node = fdt_node_offset_by_phandle(tree_.data(), phandle);
    EXPECT_EQ(fdt_get_path(tree_.data(), node, path, sizeof(path)), 0);
    return path;
  }

  std::vector<uint8_t> tree_;
};

constexpr char kGicPath[] = "/interrupt-controller@8000000";
constexpr char kItsPath[] =
    "/interrupt-controller@8000000/msi-controller@8080000";
constexpr char kPciePath[] = "/pcie@3f000000";

TEST_F(DeviceTreeTest, FitsWhereLinuxMapsIt) {
  DeviceTreeConfig config = GoodConfig();
  config.mpidrs.clear();
  for (uint64_t i = 0; i < 64; ++i) config.mpidrs.push_back(i);
  config.command_line = std::string(2047, 'x');
  Make(config);
  EXPECT_LE(tree_.size(), kDeviceTreeSpace);
  config.command_line = std::string(kDeviceTreeSpace, 'x');
  EXPECT_EQ(MakeDeviceTree(config).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(DeviceTreeTest, ChosenSaysHowToBoot) {
  EXPECT_THAT(Strings("/chosen", "bootargs"),
              ElementsAre("console=ttyS0 quiet"));
  const std::string console = Strings("/chosen", "stdout-path").at(0);
  EXPECT_THAT(Strings(console, "compatible"), ElementsAre("ns16550a"));
  EXPECT_THAT(Wide("/chosen", "linux,initrd-start"),
              ElementsAre(kRamStart + 0x4000000));
  EXPECT_THAT(Wide("/chosen", "linux,initrd-end"),
              ElementsAre(kRamStart + 0x4000000 + 12345));
  EXPECT_EQ(Raw("/chosen", "rng-seed"), std::string(64, 0x5a));
  EXPECT_THAT(Wide("/chosen", "kaslr-seed"), ElementsAre(0x1122334455667788));
}

TEST_F(DeviceTreeTest, NoInitrdIsNotMentioned) {
  DeviceTreeConfig config = GoodConfig();
  config.initrd = {};
  Make(config);
  EXPECT_FALSE(Has("/chosen", "linux,initrd-start"));
  EXPECT_FALSE(Has("/chosen", "linux,initrd-end"));
}

TEST_F(DeviceTreeTest, EachRegionIsMemory) {
  EXPECT_THAT(Strings("/memory@40000000", "device_type"),
              ElementsAre("memory"));
  EXPECT_THAT(Wide("/memory@40000000", "reg"),
              ElementsAre(kRamStart, 512 * kMiB));
  EXPECT_THAT(Wide("/memory@200000000", "reg"),
              ElementsAre(8 * kGiB, 6 * kGiB));
}

TEST_F(DeviceTreeTest, CpusAreNamedByAffinityAndStartedByPsci) {
  EXPECT_THAT(Cells("/cpus/cpu@0", "reg"), ElementsAre(0));
  EXPECT_THAT(Cells("/cpus/cpu@1", "reg"), ElementsAre(1));
  EXPECT_THAT(Cells("/cpus/cpu@100", "reg"), ElementsAre(0x100));
  EXPECT_THAT(Strings("/cpus/cpu@100", "enable-method"), ElementsAre("psci"));
  EXPECT_THAT(Strings("/psci", "compatible"),
              ElementsAre("arm,psci-1.0", "arm,psci-0.2"));
  EXPECT_THAT(Strings("/psci", "method"), ElementsAre("hvc"));
}

TEST_F(DeviceTreeTest, GicHasARedistributorForEachCpu) {
  EXPECT_THAT(Cells("/", "interrupt-parent"),
              ElementsAre(Cells(kGicPath, "phandle").at(0)));
  EXPECT_THAT(Strings(kGicPath, "compatible"), ElementsAre("arm,gic-v3"));
  EXPECT_THAT(Wide(kGicPath, "reg"),
              ElementsAre(0x08000000, 0x10000, 0x080a0000, 3 * 0x20000));
  EXPECT_TRUE(Has(kGicPath, "interrupt-controller"));
  EXPECT_THAT(Cells(kGicPath, "#interrupt-cells"), ElementsAre(3));
  EXPECT_THAT(Strings(kItsPath, "compatible"), ElementsAre("arm,gic-v3-its"));
  EXPECT_THAT(Wide(kItsPath, "reg"), ElementsAre(0x08080000, 0x20000));
  EXPECT_TRUE(Has(kItsPath, "msi-controller"));
}

TEST_F(DeviceTreeTest, TimersArePrivateLevelInterrupts) {
  EXPECT_THAT(Strings("/timer", "compatible"), ElementsAre("arm,armv8-timer"));
  EXPECT_THAT(Cells("/timer", "interrupts"),
              ElementsAre(1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4));
  EXPECT_TRUE(Has("/timer", "always-on"));
}

// An IrqLine is an edge.
TEST_F(DeviceTreeTest, SerialPortInterruptsByEdge) {
  EXPECT_THAT(Wide("/serial@9000000", "reg"), ElementsAre(0x09000000, 8));
  EXPECT_THAT(Cells("/serial@9000000", "interrupts"),
              ElementsAre(0, kSerialSpi, 1));
  EXPECT_THAT(Cells("/serial@9000000", "reg-shift"), ElementsAre(0));
  EXPECT_THAT(Cells("/serial@9000000", "reg-io-width"), ElementsAre(1));
  EXPECT_TRUE(Has("/serial@9000000", "clock-frequency"));
}

TEST_F(DeviceTreeTest, RtcHasItsBusClock) {
  EXPECT_THAT(Strings("/rtc@9010000", "compatible"),
              ElementsAre("arm,pl031", "arm,primecell"));
  EXPECT_THAT(Strings("/rtc@9010000", "clock-names"), ElementsAre("apb_pclk"));
  const std::string clock = Referred(Cells("/rtc@9010000", "clocks").at(0));
  EXPECT_THAT(Strings(clock, "compatible"), ElementsAre("fixed-clock"));
  EXPECT_THAT(Cells(clock, "#clock-cells"), ElementsAre(0));
}

TEST_F(DeviceTreeTest, PciIsOneCoherentBus) {
  EXPECT_THAT(Strings(kPciePath, "compatible"),
              ElementsAre("pci-host-ecam-generic"));
  EXPECT_THAT(Strings(kPciePath, "device_type"), ElementsAre("pci"));
  EXPECT_THAT(Wide(kPciePath, "reg"), ElementsAre(0x3f000000, 0x100000));
  EXPECT_THAT(Cells(kPciePath, "bus-range"), ElementsAre(0, 0));
  EXPECT_TRUE(Has(kPciePath, "dma-coherent"));
  EXPECT_FALSE(Has(kPciePath, "interrupt-map"));
}

// Each: PCI space, PCI address, address, size.
TEST_F(DeviceTreeTest, PciWindowsAreWhereTheBusFindsThem) {
  const std::vector<uint32_t> ranges = Cells(kPciePath, "ranges");
  ASSERT_THAT(ranges, SizeIs(21));
  EXPECT_EQ(
      std::vector(ranges.begin(), ranges.begin() + 7),
      (std::vector<uint32_t>{0x01000000, 0, 0, 0, 0x09020000, 0, 0x10000}));
  EXPECT_EQ(std::vector(ranges.begin() + 7, ranges.begin() + 14),
            (std::vector<uint32_t>{0x02000000, 0, 0x10000000, 0, 0x10000000, 0,
                                   0x2e000000}));
  EXPECT_EQ(std::vector(ranges.begin() + 14, ranges.end()),
            (std::vector<uint32_t>{0x43000000, 4, 0, 4, 0, 16, 0}));
}

TEST_F(DeviceTreeTest, PciFunctionsSignalThroughTheItsByRequesterId) {
  const std::vector<uint32_t> map = Cells(kPciePath, "msi-map");
  ASSERT_THAT(map, SizeIs(4));
  EXPECT_EQ(Referred(map[1]), kItsPath);
  EXPECT_EQ(map[0], 0u);        // Requester ids from 0
  EXPECT_EQ(map[2], 0u);        // are device ids from 0,
  EXPECT_EQ(map[3], 0x10000u);  // all of them.
  EXPECT_THAT(Cells(kItsPath, "#msi-cells"), ElementsAre(1));
}

}  // namespace
}  // namespace nacre::vmm::aarch64
