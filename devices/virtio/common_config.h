#ifndef NACRE_DEVICES_VIRTIO_COMMON_CONFIG_H_
#define NACRE_DEVICES_VIRTIO_COMMON_CONFIG_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// Feature bits of the ring and the transport (virtio 1.x, 6), which
// CommonConfig offers for every device. Nothing else from there is offered:
// Linux takes whatever it is offered and knows.
inline constexpr uint64_t kFeatureIndirectDesc = uint64_t{1} << 28;
inline constexpr uint64_t kFeatureEventIdx = uint64_t{1} << 29;
inline constexpr uint64_t kFeatureVersion1 = uint64_t{1} << 32;

// Device status bits (virtio 1.x, 2.1).
inline constexpr uint8_t kStatusAcknowledge = 0x01;
inline constexpr uint8_t kStatusDriver = 0x02;
inline constexpr uint8_t kStatusDriverOk = 0x04;
inline constexpr uint8_t kStatusFeaturesOk = 0x08;
inline constexpr uint8_t kStatusNeedsReset = 0x40;
inline constexpr uint8_t kStatusFailed = 0x80;

// How a transport interrupts the driver. Thread-safe, never blocks.
class InterruptSink {
 public:
  virtual ~InterruptSink() = default;
  virtual void InterruptForQueue(uint16_t index) = 0;
  virtual void InterruptForConfig() = 0;
  // See DriverNotifier::SetQueueEvent; during calls to the device.
  virtual void SetQueueEvent(uint16_t /*index*/, const EventFd* /*event*/) {}
};

// The registers that every transport has, and all that happens behind them:
// feature negotiation, queue set-up, status, reset (virtio 1.x, 2.1, 2.2, 3.1;
// the common configuration structure of 4.1.4.3, the registers of 4.2.2). A
// transport maps its offsets to Register and adds how the driver is interrupted
// and how it kicks.
//
// Every value is guest-controlled, at any time and in any order; what makes no
// sense is ignored. Calls come one at a time, but the DriverNotifier methods
// are for the device, from any thread.
class CommonConfig : public DriverNotifier {
 public:
  // Those of a queue are of the one selected by kQueueSelect.
  enum class Register {
    kDeviceFeatureSelect,
    kDeviceFeature,
    kDriverFeatureSelect,
    kDriverFeature,
    kNumQueues,
    kDeviceStatus,
    kConfigGeneration,
    kQueueSelect,
    kQueueMaxSize,
    kQueueSize,
    kQueueEnable,
    // Where the rings are, in 32-bit halves.
    kQueueDescLow,
    kQueueDescHigh,
    kQueueDriverLow,
    kQueueDriverHigh,
    kQueueDeviceLow,
    kQueueDeviceHigh,
  };

  // For the summary at the end of a run.
  struct Stats {
    uint64_t queue_interrupts = 0;  // But for those by SetQueueEvent.
    uint64_t config_interrupts = 0;
    uint64_t kicks_by_exit = 0;  // Kicks that no eventfd was bound for.
    uint64_t resets = 0;
    uint64_t needs_reset = 0;  // Times that the driver broke its device.
  };

  // All three outlive this. Errors: the errno of making eventfds.
  static absl::StatusOr<std::unique_ptr<CommonConfig>> Create(
      VirtioDevice* device, const vmm::GuestMemory* memory,
      InterruptSink* interrupts);
  // Resets the device.
  ~CommonConfig() override;

  uint32_t Read(Register reg) const;
  void Write(Register reg, uint32_t value);

  uint16_t num_queues() const { return static_cast<uint16_t>(queues_.size()); }
  uint16_t selected_queue() const { return queue_select_; }
  // Signalled to make the device look at a queue: for ioeventfds. Fixed for
  // the life of this, thread-safe. `index` is below num_queues().
  const EventFd& kick(uint16_t index) const { return queues_[index].kick; }
  // A kick that came as a register write. Ignores queues that are none. Any
  // thread.
  void Kick(uint16_t index);

  // As if the driver wrote 0 to the status. Returns when the device has been
  // reset.
  void Reset();

  Stats stats() const;  // Any thread.

  // DriverNotifier:
  void NotifyUsedBuffers(uint16_t index) override;
  void NotifyConfigChange() override;
  void SetNeedsReset() override;
  void SetQueueEvent(uint16_t index, const EventFd* event) override;

 private:
  struct Queue {
    uint16_t max_size;
    EventFd kick;
    uint16_t size = max_size;
    bool enabled = false;
    uint64_t desc = 0;
    uint64_t driver = 0;
    uint64_t device = 0;
  };
  struct Counters {
    std::atomic<uint64_t> queue_interrupts = 0;
    std::atomic<uint64_t> config_interrupts = 0;
    std::atomic<uint64_t> kicks_by_exit = 0;
    std::atomic<uint64_t> resets = 0;
    std::atomic<uint64_t> needs_reset = 0;
  };
  // Feature bits by 32-bit word. Drivers look at four (Linux 6.17 on); we
  // offer none beyond the second.
  static constexpr uint32_t kFeatureWords = 4;

  CommonConfig(VirtioDevice* device, const vmm::GuestMemory* memory,
               InterruptSink* interrupts, std::vector<Queue> queues);

  uint64_t driver_features() const;
  bool FeaturesAcceptable() const;
  void WriteStatus(uint8_t value);
  absl::Status Activate();
  void WriteQueue(Register reg, uint32_t value);
  static uint32_t ReadQueue(const Queue& queue, Register reg);

  VirtioDevice* const device_;
  const vmm::GuestMemory* const memory_;
  InterruptSink* const interrupts_;
  const uint64_t offered_;

  uint32_t device_feature_select_ = 0;
  uint32_t driver_feature_select_ = 0;
  std::array<uint32_t, kFeatureWords> driver_features_{};
  uint16_t queue_select_ = 0;
  std::vector<Queue> queues_;  // As many as the device has, always.
  // The device changes these two from its own threads.
  std::atomic<uint8_t> status_ = 0;
  std::atomic<uint8_t> generation_ = 0;
  Counters counters_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_COMMON_CONFIG_H_
