#ifndef NACRE_TOOLS_GUEST_KERNEL_VIRTIO_PCI_H_
#define NACRE_TOOLS_GUEST_KERNEL_VIRTIO_PCI_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/event_fd.h"
#include "tools/guest_kernel/platform.h"
#include "vmm/pci/pci_bus.h"

namespace nacre::guest_kernel {

// Where a split virtqueue's three parts are in the guest's RAM.
struct QueueAddresses {
  uint64_t descriptor_table = 0;
  uint64_t available_ring = 0;
  uint64_t used_ring = 0;
};

// A virtio device on PCI as its driver sees it: what Linux's virtio core and
// virtio_pci_modern do, by configuration space and BARs alone (virtio 1.x, 3.1
// and 4.1). MSI-X vector 0 is for configuration changes, 1 + i for queue i.
// Used by one thread.
class VirtioPciDevice {
 public:
  // Finds the device's structures, has its BARs decoded and MSI-X enabled, and
  // resets it. `platform` outlives this. NotFound where there is no virtio
  // device or a structure of it is missing.
  static absl::StatusOr<std::unique_ptr<VirtioPciDevice>> Probe(
      Platform* platform, vmm::PciAddress address);

  uint64_t ReadDeviceFeatures();
  // ACKNOWLEDGE, DRIVER, features, FEATURES_OK. FailedPrecondition where the
  // device refuses them.
  absl::Status Negotiate(uint64_t features);
  // The largest size of queue `index`; 0 where there is none.
  uint16_t MaxQueueSize(uint16_t index);
  // Enables the queue. Returns what kicks it, which lives as long as the
  // platform's binding. Internal where the platform has bound nothing.
  absl::StatusOr<const EventFd*> SetUpQueue(uint16_t index, uint16_t size,
                                            const QueueAddresses& addresses);
  void SetDriverOk();
  void Reset();

  // A field of the device's own configuration.
  template <WireType T>
  T ReadConfig(uint64_t offset) {
    return Read<T>(config_ + offset);
  }
  // Shared memory region `id`, as this process sees it; empty where the device
  // has none.
  std::span<uint8_t> FindSharedMemory(uint8_t id);

 private:
  struct Structure {
    uint16_t capability = 0;  // Its offset in configuration space.
    uint64_t address = 0;     // The guest's.
    uint64_t length = 0;
  };

  VirtioPciDevice(Platform* platform, vmm::PciAddress address);

  absl::Status FindStructures();
  absl::Status EnableMsix();
  // Offsets in configuration space, in the order of the list.
  std::vector<uint16_t> FindCapabilities(uint8_t id);
  std::optional<Structure> Find(uint8_t cfg_type, uint8_t id = 0);
  uint64_t BarAddress(uint8_t bar);

  template <WireType T>
  T ReadPci(uint64_t offset) {
    T value;
    ecam_.Read(base_ + offset, AsWritableBytes(value));
    return value;
  }
  template <WireType T>
  void WritePci(uint64_t offset, T value) {
    ecam_.Write(base_ + offset, AsBytes(value));
  }
  template <WireType T>
  T Read(uint64_t address) {
    T value;
    platform_->mmio.Read(address, AsWritableBytes(value));
    return value;
  }
  template <WireType T>
  void Write(uint64_t address, T value) {
    platform_->mmio.Write(address, AsBytes(value));
  }

  Platform* const platform_;
  vmm::PciEcam ecam_;
  const uint64_t base_;  // Of the function, in ECAM.
  // Guest addresses.
  uint64_t common_ = 0;
  uint64_t notify_ = 0;
  uint32_t notify_multiplier_ = 0;
  uint64_t config_ = 0;
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_VIRTIO_PCI_H_
