#ifndef NACRE_DEVICES_VIRTIO_REMOTE_REMOTE_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_REMOTE_REMOTE_DEVICE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio/remote/messages.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// A virtio device that lives in another process, as the VMM's transport sees
// it: DeviceServer is at the other end. The guest's RAM is shared by its
// memfds, kicks and interrupts are eventfds, so that of what a running guest
// does only the mapping of memory is a message.
//
// The device's process is not trusted: a guest may have taken it over. It can
// lie to the guest about its device, interrupt it, and read and write its RAM,
// as the device it is. It cannot make a caller here wait longer than
// `reply_limit` and then `stop`, crash this process, have it allocate without
// bound, or touch its memory other than by DeviceServices, which does not trust
// it either. A process that breaks the protocol, says something on the control
// channel without being asked, closes one of its sockets or does not answer in
// time is lost: it is stopped, what it had mapped is taken away, the driver, if
// there is one, is told by DEVICE_NEEDS_RESET, and every later Activate is
// Unavailable. Nothing brings it back.
//
// Threads: a transport calls the VirtioDevice methods, one at a time. One
// thread of this class serves the device's questions and reports, and relays
// the interrupts that the transport cannot have the hypervisor deliver
// (DriverNotifier::SetQueueEvent): none, while the driver masks none.
class RemoteDevice final : public VirtioDevice {
 public:
  struct Loss {
    absl::Status why;  // As seen from here.
    // Set where the device says so itself.
    std::optional<RefusedCall> refused_call;
  };

  struct Config {
    // What DeviceServer::Config::make gets.
    std::string configuration;
    // What DeviceServices maps into, if anything.
    std::vector<SharedMemoryRegion> regions;
    // How long a device may take for one method of a VirtioDevice: a Reset
    // waits for calls into the host's kernel.
    std::chrono::milliseconds reply_limit{10'000};
    // Ends the device's process. Once it has returned that writes no guest
    // memory any more, which a driver may then reuse: called before a lost
    // device's driver is told so and before its Reset returns, on any thread,
    // also more than once. May be empty, as for a device in this process.
    std::function<void()> stop = nullptr;
    // Called once if the device is lost, on this class's thread, after `stop`.
    // May be empty.
    std::function<void(const Loss&)> on_lost;
  };

  // Configures the device and asks what it is. `services` outlives this and is
  // called by one thread at a time. Errors: of the channels, of making the
  // device, InvalidArgument for a description that no transport can take.
  static absl::StatusOr<std::unique_ptr<RemoteDevice>> Create(
      Channel control, Channel services_channel, DeviceServices* services,
      Config config);
  // Closes the channels, upon which the device's process ends itself.
  ~RemoteDevice() override;

  bool lost() const { return lost_; }
  // The device's counters, opaque, as of now or, once it is lost, as last
  // reported. Any thread, but not at the same time as the transport's calls.
  std::string Counters();
  // Interrupts that took a wake-up of this class's thread. Any thread.
  uint64_t relayed_interrupts() const { return relayed_; }

  uint16_t device_id() const override { return description_.device_id; }
  uint64_t device_features() const override {
    return description_.device_features;
  }
  bool AcceptsFeatures(uint64_t driver_features) const override;
  std::span<const uint16_t> max_queue_sizes() const override {
    return queue_sizes_;
  }
  std::vector<SharedMemoryRegion> shared_memory_regions() override {
    return config_.regions;
  }
  void ReadConfig(uint64_t offset, std::span<uint8_t> data) override;
  void WriteConfig(uint64_t offset, std::span<const uint8_t> data) override;
  // Unavailable once the device is lost.
  absl::Status Activate(Activation activation) override;
  void Reset() override;

 private:
  RemoteDevice(Channel control, Channel services_channel,
               DeviceServices* services, Config config)
      : config_(std::move(config)),
        services_(services),
        services_channel_(std::move(services_channel)),
        control_(std::move(control)) {}

  // What an epoll event is about: a queue's interrupt, or one of these.
  static constexpr uint64_t kServices = kMaxRemoteQueues;
  static constexpr uint64_t kStop = kMaxRemoteQueues + 1;
  static constexpr uint64_t kControl = kMaxRemoteQueues + 2;

  absl::Status Describe();
  absl::Status MakeEvents();
  using Deadline = std::chrono::steady_clock::time_point;
  Deadline ReplyDeadline() const {
    return std::chrono::steady_clock::now() + config_.reply_limit;
  }
  absl::Status ShareMemory(const vmm::GuestMemory& memory, Deadline deadline);
  void ResetBy(Deadline deadline);

  // Asks the device; a failure of the channel means that it is lost, unless
  // this end could not ask. `answer` has the reply's body copied into it.
  absl::Status AskDevice(MessageType type, std::span<const uint8_t> body,
                         std::span<const int> fds, Deadline deadline,
                         std::vector<uint8_t>* answer = nullptr) const;
  // Loses a device whose control channel has something, or has ended, without
  // a question: what nobody reads would hold descriptors under way, of which
  // its user may have only so many.
  void CheckSilence() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(control_mutex_);
  // From any thread: the first reason stays.
  void Lose(const absl::Status& why) const;

  // This class's thread, in remote_device_service.cc.
  void Run();
  // False for the end of the device or of this.
  bool ServeEvents();
  absl::Status ServeMessage();
  absl::Status Serve(MapRegion& message);
  absl::Status Serve(UnmapRegion& message);
  absl::Status Serve(ClearRegion& message);
  absl::Status Serve(OpenNode& message);
  absl::Status Serve(ConfigChanged& message);
  absl::Status Serve(DeviceNeedsReset& message);
  absl::Status Serve(CountersReport& message);
  absl::Status Serve(RefusedCall& message);
  absl::Status Answer(const absl::Status& status, std::span<const int> fds);
  template <typename Call>
  auto AskServices(Call call) {
    MutexLock lock(services_mutex_);
    return call(*services_);
  }
  // What guests write into the region stays without a device.
  void ClearLostRegion();
  void TellLost();
  // What the device sent last may say why it ended.
  void ReadLastWords();

  const Config config_;
  // Called on this class's thread and, once the device is lost, by Reset.
  Mutex services_mutex_;
  DeviceServices* const services_ ABSL_PT_GUARDED_BY(services_mutex_);
  Description description_ = {};
  std::vector<uint16_t> queue_sizes_;
  std::optional<EventFd> stop_;
  Fd epoll_;
  const vmm::GuestMemory* shared_memory_ = nullptr;  // What the device has.

  Channel services_channel_;  // This class's thread receives and sends.

  // One question at a time; held until it is answered.
  mutable Mutex control_mutex_;
  mutable Channel control_ ABSL_GUARDED_BY(control_mutex_);

  // Held while the notifier is called, which calls nobody back, so that nobody
  // calls it any more once Reset has taken it away.
  Mutex notifier_mutex_;
  DriverNotifier* notifier_ ABSL_GUARDED_BY(notifier_mutex_) = nullptr;
  // By queue; the device signals them.
  std::vector<EventFd> interrupts_ ABSL_GUARDED_BY(notifier_mutex_);

  bool heard_control_ = false;  // This class's thread's.
  std::atomic<uint64_t> relayed_ = 0;

  mutable std::atomic<bool> lost_ = false;
  mutable Mutex state_mutex_;
  mutable absl::Status why_lost_ ABSL_GUARDED_BY(state_mutex_);
  std::optional<RefusedCall> refused_call_;  // This class's thread's.
  std::string counters_ ABSL_GUARDED_BY(state_mutex_);

  Thread thread_;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_REMOTE_REMOTE_DEVICE_H_
