#ifndef NACRE_DEVICES_VIRTIO_TESTING_FAKE_PCI_DRIVER_H_
#define NACRE_DEVICES_VIRTIO_TESTING_FAKE_PCI_DRIVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "vmm/io_bus.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/pci/testing/fake_hypervisor.h"
#include "vmm/pci/testing/pci_guest.h"

namespace nacre::virtio {

// A machine with one PCI bus and nothing else, for a PciTransport.
struct FakePciMachine {
  static constexpr vmm::PciWindows kWindows = {
      .low = {0xc000'0000, 0x1000'0000},
      .high = {0x40'0000'0000, 0x10'0000'0000}};

  GuestRam ram;
  vmm::IoBus mmio;
  vmm::FakeMsiController msi;
  vmm::FakeKickBinder kicks;
  vmm::FakeMemoryWindows windows;
  vmm::PciBus bus{kWindows};
};

// A guest's virtio-pci driver: does as Linux's virtio_pci_modern does, by
// configuration space, BARs and rings alone. Interrupt messages carry
// kMessageBase + vector; vector 0 is for configuration changes, 1 + i for queue
// i, as Linux chooses.
class FakePciDriver {
 public:
  static constexpr uint32_t kMessageBase = 100;
  static constexpr uint32_t kConfigMessage = kMessageBase;

  FakePciDriver(FakePciMachine* machine, vmm::PciAddress address)
      : machine_(machine), pci_(&machine->bus, address) {}

  vmm::PciGuest& pci() { return pci_; }

  // A structure that a capability (virtio 1.x, 4.1.4) tells of.
  struct Structure {
    uint8_t capability = 0;  // Its offset in configuration space.
    uint8_t cap_len = 0;
    uint8_t bar = 0;
    uint8_t id = 0;
    uint64_t offset = 0;
    uint64_t length = 0;
    uint32_t notify_multiplier = 0;
  };
  std::optional<Structure> Find(uint8_t cfg_type);

  // Finds the structures, turns on decoding and MSI-X with every vector
  // programmed and unmasked. CHECKs that all is there.
  void Probe();
  // Looks up the BARs' addresses again, once they were moved.
  void RereadBars();

  // The steps of 3.1.1. Negotiate returns whether FEATURES_OK stuck.
  void Reset();
  bool Negotiate(uint64_t features);
  // Lays out a queue, gives it its vector and enables it.
  FakeQueue& SetUpQueue(uint16_t index);
  void SetDriverOk();
  // All of it, for queues 0 and 1.
  void Start(uint64_t features);

  FakeQueue& queue(uint16_t index) { return *queues_.at(index); }
  // As the hypervisor's eventfd where one is bound, else as an access.
  void Kick(uint16_t index);
  // Submits, kicks and waits for the interrupt and the answer.
  std::vector<uint8_t> Call(uint16_t index, std::span<const uint8_t> request,
                            uint32_t response_size);
  static uint32_t QueueMessage(uint16_t index) {
    return kMessageBase + 1 + index;
  }

  // Registers. Fields of the common configuration by their offset.
  template <WireType T>
  T ReadCommon(uint64_t offset) {
    return Read<T>(common_ + offset);
  }
  template <WireType T>
  void WriteCommon(uint64_t offset, T value) {
    Write<T>(common_ + offset, value);
  }
  template <WireType T>
  T Read(uint64_t address) {
    T value;
    machine_->mmio.Read(address, AsWritableBytes(value));
    return value;
  }
  template <WireType T>
  void Write(uint64_t address, T value) {
    machine_->mmio.Write(address, AsBytes(value));
  }
  uint8_t status() { return ReadCommon<uint8_t>(20); }
  void set_status(uint8_t status) { WriteCommon<uint8_t>(20, status); }
  uint64_t ReadDeviceFeatures();
  uint64_t NotifyAddress(uint16_t index);

  uint64_t device_config() const { return device_config_; }
  uint64_t isr() const { return isr_; }
  uint64_t msix_table() const { return msix_table_; }

 private:
  FakePciMachine* machine_;
  vmm::PciGuest pci_;
  uint64_t features_ = 0;
  uint64_t common_ = 0;
  uint64_t notify_ = 0;
  uint32_t notify_multiplier_ = 0;
  uint64_t isr_ = 0;
  uint64_t device_config_ = 0;
  uint64_t msix_table_ = 0;
  std::vector<std::unique_ptr<FakeQueue>> queues_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_TESTING_FAKE_PCI_DRIVER_H_
