#ifndef NACRE_DEVICES_VIRTIO_TESTING_STEPPED_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_TESTING_STEPPED_DEVICE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "devices/virtio/virtio_device.h"

namespace nacre::virtio {

// A device of two queues that serves them when told to, on the caller's thread:
// for fuzzers of transports, which do the same for the same input.
class SteppedDevice : public VirtioDevice {
 public:
  static constexpr uint16_t kQueues = 2;
  // It says that buffers are used by signalling events, as a device in another
  // process does.
  static constexpr uint64_t kFeatureEvents = 1 << 1;

  // `region` is its shared memory, and outlives it.
  explicit SteppedDevice(std::span<uint8_t> region) : region_(region) {}

  uint16_t device_id() const override { return 16; }
  uint64_t device_features() const override { return 0x1f; }
  bool AcceptsFeatures(uint64_t features) const override {
    return (features & 0x11) != 0x10;
  }
  std::span<const uint16_t> max_queue_sizes() const override;
  std::vector<SharedMemoryRegion> shared_memory_regions() override;
  void ReadConfig(uint64_t offset, std::span<uint8_t> data) override;
  void WriteConfig(uint64_t offset, std::span<const uint8_t> data) override;
  // CHECKs that it is not active.
  absl::Status Activate(Activation activation) override;
  void Reset() override;

  // Completes what is available, and says that its configuration has changed.
  void Step();
  // Says what its events did: those that a hypervisor did not take.
  void Relay();
  std::span<const EventFd> events() const { return events_; }

 private:
  void SetEvents(bool set);

  const std::span<uint8_t> region_;
  const std::array<EventFd, kQueues> events_ = {EventFd::Create().value(),
                                                EventFd::Create().value()};
  std::optional<Activation> active_;
  DriverNotifier* notifier_ = nullptr;  // While it signals events.
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_TESTING_STEPPED_DEVICE_H_
