#ifndef NACRE_NACRE_STRESS_SHARED_DRIVER_H_
#define NACRE_NACRE_STRESS_SHARED_DRIVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtio_device.h"

namespace nacre {

// A guest's driver that many threads use at once, as a kernel's: each may have
// a request served, or reset the device under all others.
class SharedDriver final : private virtio::DriverNotifier {
 public:
  static constexpr uint16_t kQueueSize = 64;
  enum Queue : uint16_t { kControl, kCursor };
  // RAM that is for the device to read, of no contents.
  static constexpr uint64_t kPixels = virtio::GuestRam::kBase;
  static constexpr uint32_t kPixelBytes = 1 << 20;

  // `device` outlives this. Starts it.
  explicit SharedDriver(virtio::VirtioDevice* device);
  // Resets it.
  ~SharedDriver() override;

  // Has a request served and returns its answer, of at most `room` bytes;
  // nullopt where a reset came first. Waits for room in the queue, and for a
  // reset to be over.
  std::optional<std::vector<uint8_t>> Call(std::span<const uint8_t> request,
                                           uint32_t room,
                                           Queue queue = kControl);
  // The same, but for the wait for the answer, which is dropped.
  void Start(std::span<const uint8_t> request, uint32_t room);

  // Resets the device with whatever is in flight and starts it again. One
  // thread at a time.
  void Reset();

  uint64_t answers() const;

 private:
  static constexpr size_t kNumQueues = 2;

  void Activate();
  // Returns a number of this request alone.
  uint64_t Submit(Queue queue, std::span<const uint8_t> request, uint32_t room,
                  bool wait) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void NotifyUsedBuffers(uint16_t index) override;
  void NotifyConfigChange() override {}
  void SetNeedsReset() override;

  virtio::VirtioDevice* const device_;
  const std::array<EventFd, kNumQueues> kicks_;

  mutable Mutex mutex_;
  CondVar changed_;
  // Another one after each reset, as of a guest that boots, at another address.
  std::unique_ptr<virtio::GuestRam> ram_ ABSL_GUARDED_BY(mutex_);
  std::array<std::optional<virtio::FakeQueue>, kNumQueues> queues_
      ABSL_GUARDED_BY(mutex_);
  bool running_ ABSL_GUARDED_BY(mutex_) = false;  // Not during a reset.
  uint64_t resets_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  // Who waits for the chain of a queue and a head that is out.
  std::map<std::pair<uint16_t, uint16_t>, uint64_t> waiting_
      ABSL_GUARDED_BY(mutex_);
  // What has come for them.
  std::map<uint64_t, std::vector<uint8_t>> arrived_ ABSL_GUARDED_BY(mutex_);
  uint64_t submitted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_SHARED_DRIVER_H_
