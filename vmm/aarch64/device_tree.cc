#include "vmm/aarch64/device_tree.h"

#include "absl/strings/str_format.h"
#include "vmm/aarch64/fdt_writer.h"
#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/placement.h"
#include "vmm/aarch64/rtc.h"

namespace nacre::vmm::aarch64 {
namespace {

// References from node to node.
constexpr uint32_t kGic = 1;
constexpr uint32_t kIts = 2;
constexpr uint32_t kClock = 3;

// GIC interrupt specifiers (arm,gic-v3.yaml).
constexpr uint32_t kShared = 0;
constexpr uint32_t kPrivate = 1;
constexpr uint32_t kEdgeRising = 1;
constexpr uint32_t kLevelHigh = 4;

// PCI address spaces (IEEE 1275 PCI bus binding, 2.2.1.1).
constexpr uint32_t kPciIoSpace = 0x01000000;
constexpr uint32_t kPciMemory32 = 0x02000000;
constexpr uint32_t kPciPrefetchableMemory64 = 0x43000000;

// A PC's, of which a guest computes a baud rate that nothing depends on.
constexpr uint32_t kSerialClockHz = 1843200;
constexpr uint32_t kRtcClockHz = 24000000;

std::string NameAt(const char* name, uint64_t address) {
  return absl::StrFormat("%s@%x", name, address);
}

uint32_t High(uint64_t value) { return static_cast<uint32_t>(value >> 32); }
uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }

void WriteChosen(const DeviceTreeConfig& config, FdtWriter& tree) {
  tree.BeginNode("chosen");
  tree.Strings("bootargs", {config.command_line});
  tree.Strings("stdout-path", {"/" + NameAt("serial", kSerial.address)});
  if (config.initrd.size != 0) {
    tree.Wide("linux,initrd-start", {config.initrd.address});
    tree.Wide("linux,initrd-end", {config.initrd.address + config.initrd.size});
  }
  tree.Bytes("rng-seed", config.rng_seed);
  tree.Wide("kaslr-seed", {config.kaslr_seed});
  tree.EndNode();
}

void WriteMemory(const DeviceTreeConfig& config, FdtWriter& tree) {
  for (const GuestMemory::RegionSpec& region : config.ram) {
    tree.BeginNode(NameAt("memory", region.guest_address));
    tree.Strings("device_type", {"memory"});
    tree.Wide("reg", {region.guest_address, region.size});
    tree.EndNode();
  }
}

void WriteCpus(const DeviceTreeConfig& config, FdtWriter& tree) {
  tree.BeginNode("cpus");
  tree.Cells("#address-cells", {1});
  tree.Cells("#size-cells", {0});
  for (const uint64_t mpidr : config.mpidrs) {
    tree.BeginNode(NameAt("cpu", mpidr));
    tree.Strings("device_type", {"cpu"});
    tree.Strings("compatible", {"arm,armv8"});
    tree.Cells("reg", {Low(mpidr)});
    tree.Strings("enable-method", {"psci"});
    tree.EndNode();
  }
  tree.EndNode();

  tree.BeginNode("psci");
  tree.Strings("compatible", {"arm,psci-1.0", "arm,psci-0.2"});
  tree.Strings("method", {"hvc"});
  tree.EndNode();
}

void WriteInterruptController(const DeviceTreeConfig& config, FdtWriter& tree) {
  tree.BeginNode(NameAt("interrupt-controller", kGicDistributor.address));
  tree.Strings("compatible", {"arm,gic-v3"});
  tree.Wide("reg",
            {kGicDistributor.address, kGicDistributor.size, kGicRedistributors,
             config.mpidrs.size() * kGicRedistributorSize});
  tree.Flag("interrupt-controller");
  tree.Cells("#interrupt-cells", {3});
  tree.Cells("#address-cells", {2});
  tree.Cells("#size-cells", {2});
  tree.Flag("ranges");
  tree.Cells("phandle", {kGic});

  tree.BeginNode(NameAt("msi-controller", kGicIts.address));
  tree.Strings("compatible", {"arm,gic-v3-its"});
  tree.Wide("reg", {kGicIts.address, kGicIts.size});
  tree.Flag("msi-controller");
  tree.Cells("#msi-cells", {1});
  tree.Cells("phandle", {kIts});
  tree.EndNode();

  tree.EndNode();
}

void WriteTimer(FdtWriter& tree) {
  tree.BeginNode("timer");
  tree.Strings("compatible", {"arm,armv8-timer"});
  std::vector<uint32_t> interrupts;
  for (const uint32_t ppi : {kSecurePhysicalTimerPpi, kPhysicalTimerPpi,
                             kVirtualTimerPpi, kHypervisorTimerPpi}) {
    interrupts.insert(interrupts.end(), {kPrivate, ppi, kLevelHigh});
  }
  tree.Cells("interrupts", interrupts);
  tree.Flag("always-on");
  tree.EndNode();
}

void WriteSerial(FdtWriter& tree) {
  tree.BeginNode(NameAt("serial", kSerial.address));
  tree.Strings("compatible", {"ns16550a"});
  tree.Wide("reg", {kSerial.address, kSerial.size});
  tree.Cells("interrupts", {kShared, kSerialSpi, kEdgeRising});
  tree.Cells("clock-frequency", {kSerialClockHz});
  tree.Cells("reg-shift", {0});
  tree.Cells("reg-io-width", {1});
  tree.EndNode();
}

void WriteRtc(FdtWriter& tree) {
  tree.BeginNode("apb-pclk");
  tree.Strings("compatible", {"fixed-clock"});
  tree.Cells("#clock-cells", {0});
  tree.Cells("clock-frequency", {kRtcClockHz});
  tree.Cells("phandle", {kClock});
  tree.EndNode();

  tree.BeginNode(NameAt("rtc", kRtc.address));
  tree.Strings("compatible", {"arm,pl031", "arm,primecell"});
  tree.Cells("arm,primecell-periphid", {Rtc::kPeripheralId});
  tree.Wide("reg", {kRtc.address, kRtc.size});
  tree.Cells("clocks", {kClock});
  tree.Strings("clock-names", {"apb_pclk"});
  tree.EndNode();
}

// Bus 0 only, message-signalled interrupts only.
void WritePci(const AddressRange& window64, FdtWriter& tree) {
  tree.BeginNode(NameAt("pcie", kEcam.address));
  tree.Strings("compatible", {"pci-host-ecam-generic"});
  tree.Strings("device_type", {"pci"});
  tree.Wide("reg", {kEcam.address, kEcam.size});
  tree.Cells("#address-cells", {3});
  tree.Cells("#size-cells", {2});
  tree.Cells("bus-range", {0, 0});
  tree.Cells("linux,pci-domain", {0});
  std::vector<uint32_t> ranges;
  const auto add_range = [&ranges](uint32_t space, uint64_t pci_address,
                                   const AddressRange& range) {
    ranges.insert(ranges.end(), {space, High(pci_address), Low(pci_address),
                                 High(range.address), Low(range.address),
                                 High(range.size), Low(range.size)});
  };
  add_range(kPciIoSpace, 0, kPciIo);
  add_range(kPciMemory32, kPciWindow32.address, kPciWindow32);
  add_range(kPciPrefetchableMemory64, window64.address, window64);
  tree.Cells("ranges", ranges);
  // Devices read and write guest memory through the host's caches. Without this
  // Linux would go past them, on hosts where that makes a difference.
  tree.Flag("dma-coherent");
  // A function's device id at the ITS is its requester id.
  tree.Cells("msi-map", {0, kIts, 0, 0x10000});
  tree.EndNode();
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> MakeDeviceTree(
    const DeviceTreeConfig& config) {
  FdtWriter tree(kDeviceTreeSpace);
  tree.Cells("#address-cells", {2});
  tree.Cells("#size-cells", {2});
  tree.Strings("compatible", {"linux,dummy-virt"});
  tree.Strings("model", {"Nacre"});
  tree.Cells("interrupt-parent", {kGic});
  WriteChosen(config, tree);
  WriteMemory(config, tree);
  WriteCpus(config, tree);
  WriteInterruptController(config, tree);
  WriteTimer(tree);
  WriteSerial(tree);
  WriteRtc(tree);
  WritePci(config.pci_window64, tree);
  return tree.Finish();
}

}  // namespace nacre::vmm::aarch64
