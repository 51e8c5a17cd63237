#ifndef NACRE_NACRE_STRESS_SHARED_DRIVER_H_
#define NACRE_NACRE_STRESS_SHARED_DRIVER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtio_device.h"

namespace nacre {

// A guest's driver that many threads use at once, as a kernel's: each may have
// a request served, or reset the device under all others. Queue 0 alone.
class SharedDriver final : private virtio::DriverNotifier {
 public:
  static constexpr uint16_t kQueueSize = 64;

  // `device` outlives this. Starts it.
  explicit SharedDriver(virtio::VirtioDevice* device);
  // Resets it.
  ~SharedDriver() override;

  // Has a request served and returns its answer, of at most `room` bytes;
  // nullopt where a reset came first. Waits for room in the queue, and for a
  // reset to be over.
  std::optional<std::vector<uint8_t>> Call(std::span<const uint8_t> request,
                                           uint32_t room);
  // The same, but for the wait for the answer, which is dropped.
  void Start(std::span<const uint8_t> request, uint32_t room);

  // Resets the device with whatever is in flight and starts it again. One
  // thread at a time.
  void Reset();

  uint64_t answers() const;

 private:
  void Activate();
  // Returns a number of this request alone.
  uint64_t Submit(std::span<const uint8_t> request, uint32_t room, bool wait)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void NotifyUsedBuffers(uint16_t index) override;
  void NotifyConfigChange() override {}
  void SetNeedsReset() override;

  virtio::VirtioDevice* const device_;
  const EventFd kick_;

  mutable Mutex mutex_;
  CondVar changed_;
  // Another one after each reset, as of a guest that boots.
  std::optional<virtio::GuestRam> ram_ ABSL_GUARDED_BY(mutex_);
  // Absent during a reset.
  std::optional<virtio::FakeQueue> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t resets_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  // Who waits for the chain of a head that is out.
  std::map<uint16_t, uint64_t> waiting_ ABSL_GUARDED_BY(mutex_);
  // What has come for them.
  std::map<uint64_t, std::vector<uint8_t>> arrived_ ABSL_GUARDED_BY(mutex_);
  uint64_t submitted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_SHARED_DRIVER_H_
