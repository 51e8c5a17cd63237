#ifndef NACRE_DEVICES_VIRTIO_PCI_TRANSPORT_H_
#define NACRE_DEVICES_VIRTIO_PCI_TRANSPORT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/pci_capabilities.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/guest_memory.h"
#include "vmm/hypervisor.h"
#include "vmm/io_bus.h"
#include "vmm/io_device.h"
#include "vmm/irq_line.h"
#include "vmm/pci/msix.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/pci/pci_device.h"

namespace nacre::virtio {

// A virtio device on PCI, modern only (virtio 1.x, 4.1; linux/virtio_pci.h).
//
// BAR 0, 32 KiB below 4 GiB, is all registers: common configuration, ISR,
// device configuration, a notify address for each queue, MSI-X. Shared memory
// regions have 64-bit prefetchable BARs of their own (2 and 4), since Linux
// claims a whole BAR for either purpose. Interrupts are MSI-X only, one vector
// per queue and one for configuration changes: there is no interrupt pin.
//
// Trusts the guest with nothing; every register may be accessed at any offset
// and size, by several vCPUs at a time.
class PciTransport : public vmm::PciDevice,
                     private vmm::IoDevice,
                     private InterruptSink {
 public:
  // What the machine gives it. All outlive the transport.
  struct Services {
    const vmm::GuestMemory* memory = nullptr;
    vmm::IoBus* mmio_bus = nullptr;
    vmm::KickBinder* kick_binder = nullptr;
    vmm::MemoryWindows* memory_windows = nullptr;
    vmm::MsiController* msi_controller = nullptr;
  };

  static constexpr uint16_t kMaxQueues = 64;
  static constexpr uint16_t kNoVector = 0xffff;

  // `device` outlives the transport, which is for `address` of a PciBus.
  // `device_class` is PCI's, class and subclass: 0x0380 for a display that is
  // not VGA. Errors: InvalidArgument for a device with more queues or shared
  // memory regions than there is room for; what making eventfds and MSI lines
  // returns.
  static absl::StatusOr<std::unique_ptr<PciTransport>> Create(
      VirtioDevice* device, vmm::PciAddress address, uint16_t device_class,
      const Services& services);
  // Resets the device.
  ~PciTransport() override;

  CommonConfig::Stats stats() const { return common_->stats(); }

 private:
  PciTransport(VirtioDevice* device, uint16_t device_class,
               std::unique_ptr<vmm::Msix> msix);

  void AddCapabilities();
  void AddRegisterBar(const Services& services);
  void AddSharedMemory(const std::vector<SharedMemoryRegion>& regions,
                       const Services& services);

  // IoDevice, of BAR 0:
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  void ReadCommon(uint64_t offset, std::span<uint8_t> data)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteCommon(uint64_t offset, std::span<const uint8_t> data)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t ReadCommonField(uint64_t offset)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The selected queue's vector, or null.
  std::atomic<uint16_t>* SelectedVector() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StoreVector(std::atomic<uint16_t>* vector, uint16_t value);
  void ForgetVectors();
  // Takes the queue's event to the queue's vector.
  void BindQueueEvent(uint16_t index);

  // PciDevice:
  void WillReadConfig(uint16_t offset, size_t size) override;
  void DidWriteConfig(uint16_t offset, size_t size) override;
  void DidReset() override;

  // InterruptSink, without a lock:
  void InterruptForQueue(uint16_t index) override;
  void InterruptForConfig() override;
  // InterruptSink, during calls to the device:
  void SetQueueEvent(uint16_t index, const EventFd* event) override;

  VirtioDevice* const device_;
  const std::unique_ptr<vmm::Msix> msix_;
  uint8_t msix_capability_ = 0;
  std::optional<ConfigWindow> window_;  // Set by AddCapabilities.

  // Also serializes the calls to the device.
  Mutex mutex_;
  // Set once by Create. What is called on it under the lock is not its
  // notifier, its kicks and its stats.
  std::unique_ptr<CommonConfig> common_;

  std::atomic<uint8_t> isr_ = 0;
  std::atomic<bool> msix_enabled_ = false;
  std::atomic<uint16_t> config_vector_ = kNoVector;
  std::vector<std::atomic<uint16_t>> queue_vectors_;
  // By queue, null for none. Calls to the device are one at a time, and so is
  // what they change.
  std::vector<const EventFd*> queue_events_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_PCI_TRANSPORT_H_
