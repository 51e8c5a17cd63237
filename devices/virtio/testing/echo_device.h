#ifndef NACRE_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/event_fd.h"
#include "devices/virtio/virtio_device.h"

namespace nacre::virtio {

// The simplest virtio device with everything that a transport must carry: two
// queues whose requests it answers with themselves, on a thread of its own; two
// features, of which the second needs the first; eight bytes of configuration;
// a shared memory region if given one. For tests of transports.
class EchoDevice : public VirtioDevice {
 public:
  static constexpr uint16_t kDeviceId = 42;
  static constexpr uint64_t kFeatureOne = 1;
  static constexpr uint64_t kFeatureNeedsOne = 2;
  static constexpr uint64_t kFeatures = kFeatureOne | kFeatureNeedsOne;
  static constexpr std::array<uint16_t, 2> kQueueSizes = {64, 16};
  static constexpr uint8_t kRegionId = 1;

  // `shared_memory` outlives the device; empty for none.
  explicit EchoDevice(std::span<uint8_t> shared_memory = {});
  ~EchoDevice() override;

  // The next Activate fails.
  void FailActivate() { fail_activate_ = true; }
  // As the device does of its own accord.
  void ChangeConfig(uint8_t first_byte);
  void BreakDown() { notifier_->SetNeedsReset(); }

  // What the last Activate was given, but its queues; nullopt after Reset.
  struct Active {
    uint64_t driver_features;
    std::vector<uint16_t> queues;
  };
  const std::optional<Active>& active() const { return active_; }
  int resets() const { return resets_; }

  uint16_t device_id() const override { return kDeviceId; }
  uint64_t device_features() const override { return kFeatures; }
  bool AcceptsFeatures(uint64_t driver_features) const override;
  std::span<const uint16_t> max_queue_sizes() const override {
    return kQueueSizes;
  }
  std::vector<SharedMemoryRegion> shared_memory_regions() override;
  void ReadConfig(uint64_t offset, std::span<uint8_t> data) override;
  void WriteConfig(uint64_t offset, std::span<const uint8_t> data) override;
  absl::Status Activate(Activation activation) override;
  void Reset() override;

 private:
  void Run(std::vector<ActiveQueue> queues);
  // False where the driver broke the queue.
  bool Serve(ActiveQueue& active);

  const std::span<uint8_t> shared_memory_;
  bool fail_activate_ = false;
  std::optional<Active> active_;
  int resets_ = 0;
  std::array<std::atomic<uint8_t>, 8> config_{};
  DriverNotifier* notifier_ = nullptr;
  EventFd stop_;
  std::thread thread_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_
