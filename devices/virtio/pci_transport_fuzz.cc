// A guest that accesses the registers, configuration space and queues of a
// virtio PCI device in any order, under a hypervisor that now and then has no
// room left. The input is a sequence of accesses, each a byte that says which
// and the values it takes; see the switch.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/event_fd.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/split_ring.h"
#include "devices/virtio/testing/fake_pci_driver.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/testing/stepped_device.h"
#include "glog/logging.h"
#include "vmm/pci/pci_bus.h"

namespace nacre::virtio {
namespace {

constexpr vmm::PciAddress kAddress = {.device = 1};
constexpr uint64_t kBarBytes = 0x8000;
constexpr uint64_t kRingFeatures = kFeatureEventIdx | kFeatureIndirectDesc;
// Other registers, in the way of a BAR that is put there.
constexpr uint64_t kOccupied = FakePciMachine::kWindows.low.address + 0x10'0000;

// Configuration space by the ways that a machine has.
class ConfigAccesses {
 public:
  explicit ConfigAccesses(vmm::PciBus* bus)
      : bus_(bus), ports_(bus), ecam_(bus) {}
  vmm::IoDevice* ports() { return &ports_; }

  void Read(uint8_t step, ByteReader& input, std::span<uint8_t> data) {
    switch (step >> 6) {
      case 2:
        return ports_.Read(PortOffset(input), data);
      case 3:
        return ecam_.Read(EcamOffset(input), data);
      default:
        return bus_->ReadConfig(8, input.ReadZeroExtended<uint8_t>(), data);
    }
  }
  void Write(uint8_t step, ByteReader& input, std::span<uint8_t> data) {
    const auto filled = [&] {
      const auto bytes = input.ReadZeroExtended<std::array<uint8_t, 8>>();
      std::copy_n(bytes.begin(), data.size(), data.begin());
      return data;
    };
    switch (step >> 6) {
      case 2: {
        const uint64_t offset = PortOffset(input);
        return ports_.Write(offset, filled());
      }
      case 3: {
        const uint64_t offset = EcamOffset(input);
        return ecam_.Write(offset, filled());
      }
      default: {
        const auto offset = input.ReadZeroExtended<uint8_t>();
        return bus_->WriteConfig(8, offset, filled());
      }
    }
  }

 private:
  static uint64_t PortOffset(ByteReader& input) {
    return input.ReadZeroExtended<uint8_t>() % vmm::PciConfigPorts::kSize;
  }
  // Mostly of one of four functions, of which two are there.
  static uint64_t EcamOffset(ByteReader& input) {
    const auto value = input.ReadZeroExtended<uint16_t>();
    const auto high = input.ReadZeroExtended<uint8_t>();
    return (value & 0xfff) | uint64_t{value & 0x3000u} << 3 |
           (high < 0xf0 ? 0 : uint64_t{high} << 21);
  }

  vmm::PciBus* const bus_;
  vmm::PciConfigPorts ports_;
  vmm::PciEcam ecam_;
};

// By the two highest bits of `step`: chains made available as they should be,
// or what no driver writes.
void FillQueue(FakeQueue& queue, uint8_t step, ByteReader& input) {
  if ((step & 0x40) != 0 && queue.free_descriptors() > 2) {
    static constexpr std::array<uint8_t, 16> kRequest = {};
    queue.Chain().Readable(kRequest).Writable(8).Submit();
  }
  if ((step & 0x80) != 0) {
    const auto value = input.ReadZeroExtended<uint16_t>();
    if ((step & 0x20) != 0) {
      queue.WriteAvailableIndex(value);
    } else {
      queue.WriteUsedEvent(value);
      queue.WriteDescriptor(value & 7,
                            {.address = GuestRam::kBase,
                             .length = value,
                             .flags = kDescriptorNext,
                             .next = input.ReadZeroExtended<uint8_t>()});
    }
  }
}

void Run(ByteReader input) {
  static auto* const region = new std::vector<uint8_t>(0x1000);
  SteppedDevice device(*region);
  FakePciMachine machine;
  ConfigAccesses config(&machine.bus);
  CHECK(
      machine.mmio.Insert(kOccupied, vmm::PciConfigPorts::kSize, config.ports())
          .ok());
  FakePciDriver driver(&machine, kAddress);
  auto transport = PciTransport::Create(&device, kAddress, 0x0380,
                                        {.memory = &machine.ram.memory(),
                                         .mmio_bus = &machine.mmio,
                                         .kick_binder = &machine.kicks,
                                         .memory_windows = &machine.windows,
                                         .msi_controller = &machine.msi});
  CHECK(transport.ok());
  const PciTransport& registers = **transport;
  CHECK(machine.bus.Add(kAddress, *std::move(transport)).ok());

  bool started = false;
  std::array<uint8_t, 8> data = {};
  while (input.remaining() > 0) {
    const auto step = input.ReadZeroExtended<uint8_t>();
    const std::span<uint8_t> bytes =
        std::span(data).first(size_t{1} << ((step >> 4) & 3));
    switch (step & 7) {
      case 0:
        machine.mmio.Read(driver.pci().ReadBar(0) +
                              input.ReadZeroExtended<uint16_t>() % kBarBytes,
                          bytes);
        break;
      case 1: {
        const auto offset = input.ReadZeroExtended<uint16_t>();
        data = input.ReadZeroExtended<std::array<uint8_t, 8>>();
        machine.mmio.Write(driver.pci().ReadBar(0) + offset % kBarBytes, bytes);
        break;
      }
      case 2:
        config.Read(step, input, bytes);
        break;
      case 3:
        config.Write(step, input, bytes);
        break;
      case 4:  // All that a driver does to begin.
        machine.bus.Reset();
        driver.Start(kFeatureVersion1 | ((step & 8) != 0 ? kRingFeatures : 0) |
                     ((step & 0x10) != 0 ? SteppedDevice::kFeatureEvents : 0));
        started = true;
        break;
      case 5:
        if (started) FillQueue(driver.queue(step >> 3 & 1), step, input);
        device.Step();
        machine.msi.Deliver();
        device.Relay();
        break;
      case 6:
        if ((step & 8) != 0) {
          machine.msi.FailSetMessage((step & 0x10) != 0);
          machine.kicks.set_fail((step & 0x20) != 0);
        } else {
          machine.kicks.Write(
              driver.pci().ReadBar(0) +
                  input.ReadZeroExtended<uint16_t>() % kBarBytes,
              2);
        }
        break;
      case 7:  // One of the 56 bytes that matter most.
        data = input.ReadZeroExtended<std::array<uint8_t, 8>>();
        machine.mmio.Write(
            driver.pci().ReadBar(0) + input.ReadZeroExtended<uint8_t>() % 64,
            bytes);
        break;
    }
  }
  machine.bus.Reset();
  CHECK(std::ranges::none_of(device.events(), [&](const EventFd& event) {
    return machine.msi.attached(event);
  }));
  CHECK_LE(registers.stats().needs_reset, registers.stats().resets);
}

}  // namespace
}  // namespace nacre::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  nacre::virtio::Run(nacre::ByteReader({data, size}));
  return 0;
}
