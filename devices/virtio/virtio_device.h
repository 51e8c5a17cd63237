#ifndef NACRE_DEVICES_VIRTIO_VIRTIO_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_VIRTIO_DEVICE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "devices/virtio/virtqueue.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// How a device reaches its driver's interrupt handler, whatever the transport.
// Thread-safe, never blocks.
class DriverNotifier {
 public:
  virtual ~DriverNotifier() = default;
  // A used buffer notification for queue `index` (virtio 1.x, 2.3). The caller
  // has found that the driver wants one (Virtqueue::NeedsInterrupt).
  virtual void NotifyUsedBuffers(uint16_t index) = 0;
  // A configuration change notification.
  virtual void NotifyConfigChange() = 0;
  // Sets DEVICE_NEEDS_RESET and notifies (virtio 1.x, 2.1.2): the driver broke
  // the queue itself, so that no answer is possible.
  virtual void SetNeedsReset() = 0;

  // From now on a signal of `event` stands for NotifyUsedBuffers(index) where
  // the transport can have the hypervisor deliver it, without a thread of this
  // process: for a device in another one. What the event's counter holds the
  // transport could not deliver, because of a mask for instance: the caller
  // watches it, clears it and notifies. Null for no event any more; a device
  // calls this in Activate and Reset, and `event` stays until then.
  virtual void SetQueueEvent(uint16_t /*index*/, const EventFd* /*event*/) {}
};

// One queue that the driver enabled.
struct ActiveQueue {
  uint16_t index = 0;
  Virtqueue queue;
  // Signalled when the driver has made buffers available. Duplicate of the
  // transport's: kicks arrive on it without an exit to user space.
  EventFd kick;
};

// What a device gets when its driver sets DRIVER_OK.
struct Activation {
  uint64_t driver_features = 0;  // A subset of device_features(), valid.
  // Both outlive the device's next Reset.
  const vmm::GuestMemory* memory = nullptr;
  DriverNotifier* notifier = nullptr;
  std::vector<ActiveQueue> queues;  // Enabled ones, ascending by index.
};

// Host memory that the guest sees as a shared memory region (virtio 1.x,
// 2.10), owned by the device for its whole life.
struct SharedMemoryRegion {
  uint8_t id = 0;
  std::span<uint8_t> host;  // Page-aligned, a power of two in size.
};

// A virtio device as its transport sees it. The transport calls one method at
// a time, from vCPU threads, and never after the device's destruction.
class VirtioDevice {
 public:
  virtual ~VirtioDevice() = default;

  virtual uint16_t device_id() const = 0;  // virtio 1.x, section 5.
  // Offered feature bits of the device type; the transport adds VERSION_1 and
  // the ring's own (INDIRECT_DESC, EVENT_IDX).
  virtual uint64_t device_features() const = 0;
  // Whether the driver's choice is one the device can work with: a subset of
  // the offer already, but perhaps without a feature that another one needs.
  virtual bool AcceptsFeatures(uint64_t driver_features) const = 0;
  // One entry per queue: the largest size (a power of two) the device allows.
  virtual std::span<const uint16_t> max_queue_sizes() const = 0;
  virtual std::vector<SharedMemoryRegion> shared_memory_regions() = 0;

  // Device-specific configuration. Any offset and size, by the guest: beyond
  // the end reads are zero and writes are ignored.
  virtual void ReadConfig(uint64_t offset, std::span<uint8_t> data) = 0;
  virtual void WriteConfig(uint64_t offset, std::span<const uint8_t> data) = 0;

  // The driver is ready. An error makes the transport set NEEDS_RESET.
  virtual absl::Status Activate(Activation activation) = 0;
  // Back to the state before Activate: afterwards the device touches neither
  // guest memory nor the notifier. Waits for calls into the host's kernel that
  // are under way, and for no other slow work. Harmless where Activate was
  // never called.
  virtual void Reset() = 0;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_VIRTIO_DEVICE_H_
