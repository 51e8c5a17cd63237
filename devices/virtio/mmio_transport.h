#ifndef NACRE_DEVICES_VIRTIO_MMIO_TRANSPORT_H_
#define NACRE_DEVICES_VIRTIO_MMIO_TRANSPORT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/guest_memory.h"
#include "vmm/hypervisor.h"
#include "vmm/io_device.h"
#include "vmm/irq_line.h"

namespace nacre::virtio {

// A virtio device at a fixed address (virtio 1.x, 4.2, version 2;
// linux/virtio_mmio.h): one page of registers for the machine's MMIO bus, one
// interrupt, which the machine's tables announce as edge-triggered, and shared
// memory regions where the machine has room for them. Kicks are exits: which
// queue is in the value, and an eventfd sees none.
//
// Trusts the guest with nothing; see PciTransport.
class MmioTransport : public vmm::IoDevice, private InterruptSink {
 public:
  static constexpr uint64_t kSize = 0x1000;

  // What the machine gives it. All outlive the transport.
  struct Services {
    const vmm::GuestMemory* memory = nullptr;
    vmm::MemoryWindows* memory_windows = nullptr;
    vmm::IrqLine* irq = nullptr;
  };

  // `device` outlives the transport. `shared_memory` has a guest address for
  // each region of the device, in their order. Errors: InvalidArgument for
  // another number of addresses; those of AddWindow and of making eventfds.
  static absl::StatusOr<std::unique_ptr<MmioTransport>> Create(
      VirtioDevice* device, std::span<const uint64_t> shared_memory,
      const Services& services);
  // Resets the device and removes its windows, of which those stay that the
  // host does not let go. No vCPU runs any more.
  ~MmioTransport() override;

  // As at power-on, for a machine that restarts.
  void Reset();

  CommonConfig::Stats stats() const { return common_->stats(); }

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  struct Region {
    uint8_t id;
    uint64_t address;
    uint64_t size;
  };

  MmioTransport(VirtioDevice* device, const Services& services)
      : device_(device), services_(services) {}

  uint32_t ReadRegister(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRegister(uint64_t offset, uint32_t value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ResetLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Half 0 is the lower. All ones where the selected region is none (4.2.2.1).
  uint32_t SharedMemoryHalf(uint64_t Region::*field, int half)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // InterruptSink, without a lock:
  void InterruptForQueue(uint16_t index) override;
  void InterruptForConfig() override;
  void Interrupt(uint8_t bit);

  VirtioDevice* const device_;
  const Services services_;
  std::vector<Region> regions_;  // Whose windows are added.

  // Also serializes the calls to the device.
  Mutex mutex_;
  std::unique_ptr<CommonConfig> common_;  // See PciTransport.
  uint32_t region_select_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<uint8_t> interrupt_status_ = 0;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_MMIO_TRANSPORT_H_
