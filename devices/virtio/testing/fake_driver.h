#ifndef NACRE_DEVICES_VIRTIO_TESTING_FAKE_DRIVER_H_
#define NACRE_DEVICES_VIRTIO_TESTING_FAKE_DRIVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "devices/virtio/testing/fake_queue.h"
#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio/virtio_device.h"

namespace nacre::virtio {

// A guest-side driver for tests of a VirtioDevice: real guest memory, real
// rings, kicks by eventfd and interrupts by callback, with no transport in
// between. For devices with a thread of their own:
//
//   FakeDriver driver(&device);
//   ASSERT_TRUE(driver.Start().ok());
//   std::vector<uint8_t> answer = driver.Call(0, AsBytes(command), 24);
//
// or, in pieces, several requests per kick:
//
//   driver.queue(0).Chain().Readable(a).Readable(b).Writable(24).Submit();
//   driver.Kick(0);
//   UsedChain used = driver.WaitUsed(0);
//
// One test thread drives it; the device may notify from any thread. Waits end
// the test with a CHECK after 30 s rather than hang. Reset (or destroy) the
// device before the driver goes: the destructor resets it.
class FakeDriver : private DriverNotifier {
 public:
  struct Options {
    uint64_t ram_size = GuestRam::kDefaultSize;
    // Feature bits to take, of those that the device offers.
    uint64_t features = ~uint64_t{0};
    // For each queue, where 0 is the device's maximum (as Linux chooses).
    uint16_t queue_size = 0;
    bool event_index = true;
    bool indirect = true;
  };

  explicit FakeDriver(VirtioDevice* device) : FakeDriver(device, Options()) {}
  FakeDriver(VirtioDevice* device, const Options& options);
  ~FakeDriver() override;

  // Negotiates, lays out every queue and activates the device (DRIVER_OK).
  // Errors: FailedPrecondition where the device refuses the features, and what
  // Activate returns.
  absl::Status Start();
  // Resets the device and forgets the queues and counters; Start may follow.
  void Reset();

  GuestRam& ram() { return ram_; }
  FakeQueue& queue(uint16_t index) { return *queues_.at(index)->fake; }
  uint64_t driver_features() const { return driver_features_; }

  // Kicks if the device asked for it; the second form in any case.
  void Kick(uint16_t index);
  void KickAnyway(uint16_t index);

  // The next completed chain, waiting for the device's interrupt for it.
  UsedChain WaitUsed(uint16_t index);
  // Submits `request` with room for `response_size` bytes (0: no writable
  // descriptor), kicks, waits for the next completion of the queue, CHECKs that
  // it is this one, and returns the response.
  std::vector<uint8_t> Call(uint16_t index, std::span<const uint8_t> request,
                            uint32_t response_size);
  // As Call; nullopt where the device says DEVICE_NEEDS_RESET instead.
  std::optional<std::vector<uint8_t>> TryCall(uint16_t index,
                                              std::span<const uint8_t> request,
                                              uint32_t response_size);
  // As Call, where both are structures.
  template <WireType Response, WireType Request>
  Response CallFor(uint16_t index, const Request& request) {
    const std::vector<uint8_t> bytes =
        Call(index, AsBytes(request), sizeof(Response));
    return ByteReader(bytes).ReadZeroExtended<Response>();
  }

  // What the device has notified so far.
  int interrupts(uint16_t index) const;
  int config_changes() const;
  bool needs_reset() const;
  // Wait for the first or the next of them.
  void WaitNeedsReset();
  void WaitConfigChanges(int count);

 private:
  struct Queue {
    std::unique_ptr<FakeQueue> fake;
    EventFd kick;
  };

  // Nullopt: the device says DEVICE_NEEDS_RESET.
  std::optional<UsedChain> WaitUsedOrNeedsReset(uint16_t index);

  void NotifyUsedBuffers(uint16_t index) override;
  void NotifyConfigChange() override;
  void SetNeedsReset() override;

  VirtioDevice* device_;
  Options options_;
  GuestRam ram_;
  uint64_t driver_features_ = 0;
  std::vector<std::unique_ptr<Queue>> queues_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<int> interrupts_ ABSL_GUARDED_BY(mutex_);
  int config_changes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool needs_reset_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_TESTING_FAKE_DRIVER_H_
