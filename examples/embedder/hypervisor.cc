#include "hypervisor.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "devices/virtio/pci_transport.h"
#include "vmm/guest_memory.h"
#include "vmm/hypervisor.h"
#include "vmm/io_bus.h"
#include "vmm/irq_line.h"
#include "vmm/pci/pci_bus.h"

namespace embedder {
namespace {

namespace vmm = nacre::vmm;
namespace virtio = nacre::virtio;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr vmm::PciAddress kGpu = {.device = 1};
constexpr uint16_t kDisplayClass = 0x0380;

// Counts where a real one would call its kernel, and has no vCPU.
class Hypervisor : public vmm::MsiController,
                   public vmm::KickBinder,
                   public vmm::MemoryWindows {
 public:
  absl::StatusOr<std::unique_ptr<vmm::MsiLine>> CreateMsiLine(
      uint32_t /*requester_id*/) override {
    return std::make_unique<Line>();
  }
  absl::Status BindKick(uint64_t /*guest_address*/, uint32_t /*size*/,
                        const nacre::EventFd& /*event*/) override {
    ++kicks;
    return absl::OkStatus();
  }
  absl::Status UnbindKick(uint64_t /*guest_address*/, uint32_t /*size*/,
                          const nacre::EventFd& /*event*/) override {
    --kicks;
    return absl::OkStatus();
  }
  absl::Status AddWindow(uint64_t /*guest_address*/,
                         std::span<uint8_t> /*host*/) override {
    ++windows;
    return absl::OkStatus();
  }
  absl::Status RemoveWindow(uint64_t /*guest_address*/) override {
    --windows;
    return absl::OkStatus();
  }

  int kicks = 0;
  int windows = 0;

 private:
  class Line : public vmm::MsiLine {
   public:
    void Trigger() override {}
    absl::Status SetMessage(uint64_t /*address*/, uint32_t /*data*/) override {
      return absl::OkStatus();
    }
  };
};

template <typename T>
T ReadConfig(vmm::PciBus& bus, uint16_t offset) {
  std::array<uint8_t, sizeof(T)> bytes;
  bus.ReadConfig(static_cast<uint16_t>(kGpu.requester_id()), offset, bytes);
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// Where virtio's device configuration is (virtio 1.3, 4.1.4): 0 for nowhere.
uint64_t FindDeviceConfig(vmm::PciBus& bus) {
  auto at = ReadConfig<uint8_t>(bus, 0x34);  // The first capability.
  while (at != 0) {
    if (ReadConfig<uint8_t>(bus, at) == 0x09 &&
        ReadConfig<uint8_t>(bus, at + 3) == 4) {
      const auto index = ReadConfig<uint8_t>(bus, at + 4);
      const auto bar = ReadConfig<uint32_t>(bus, 0x10 + 4 * index);
      return (bar & ~uint32_t{0xf}) + ReadConfig<uint32_t>(bus, at + 8);
    }
    at = ReadConfig<uint8_t>(bus, at + 1);
  }
  return 0;
}

}  // namespace

absl::Status RunGuest(virtio::VirtioDevice& device) {
  Hypervisor hypervisor;
  constexpr std::array<vmm::GuestMemory::RegionSpec, 1> kRam = {
      {{.guest_address = 0, .size = 64 * kMiB}}};
  // Its host_regions() are what a real hypervisor shows to its vCPUs.
  absl::StatusOr<vmm::GuestMemory> memory = vmm::GuestMemory::Create(kRam);
  if (!memory.ok()) return memory.status();

  // What vCPUs' exits reach: MMIO, and PCI's configuration space.
  vmm::IoBus mmio;
  vmm::PciBus bus(
      {.low = {3 * kGiB, 256 * kMiB}, .high = {64 * kGiB, 64 * kGiB}});
  absl::StatusOr<std::unique_ptr<virtio::PciTransport>> transport =
      virtio::PciTransport::Create(&device, kGpu, kDisplayClass,
                                   {.memory = &*memory,
                                    .mmio_bus = &mmio,
                                    .kick_binder = &hypervisor,
                                    .memory_windows = &hypervisor,
                                    .msi_controller = &hypervisor});
  if (!transport.ok()) return transport.status();
  if (absl::Status status = bus.Add(kGpu, *std::move(transport));
      !status.ok()) {
    return status;
  }

  constexpr uint16_t kCommand = 0x04;
  constexpr std::array<uint8_t, 2> kDecodeMemory = {0x02, 0x00};
  bus.WriteConfig(static_cast<uint16_t>(kGpu.requester_id()), kCommand,
                  kDecodeMemory);
  const uint64_t config = FindDeviceConfig(bus);
  uint32_t capsets = 0;  // 5.7.4: num_capsets.
  std::array<uint8_t, sizeof(capsets)> bytes;
  mmio.Read(config + 12, bytes);
  std::memcpy(&capsets, bytes.data(), sizeof(capsets));
  std::printf("PCI device %04x:%04x, %d kicks, %d window, %u capset\n",
              ReadConfig<uint16_t>(bus, 0), ReadConfig<uint16_t>(bus, 2),
              hypervisor.kicks, hypervisor.windows, capsets);
  if (hypervisor.kicks != 2 || hypervisor.windows != 1 || capsets != 1) {
    return absl::InternalError("expected 2 kicks, 1 window and 1 capset");
  }
  return absl::OkStatus();
}

}  // namespace embedder
