#ifndef NACRE_DEVICES_VIRTIO_REMOTE_DEVICE_SERVER_H_
#define NACRE_DEVICES_VIRTIO_REMOTE_DEVICE_SERVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/event_fd.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/messages.h"
#include "devices/virtio/remote/service_client.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/guest_memory.h"

namespace nacre::virtio {

// The device's process's end of a RemoteDevice: runs a device for a transport
// in another process. Trusts that process; the guest, whose rings and RAM the
// device reads, no more than any device does. Serve is the one thread, beside
// those of the device.
class DeviceServer : private DriverNotifier {
 public:
  struct Config {
    // Makes the device from RemoteDevice::Config::configuration. The device
    // lives until Serve has returned.
    std::function<absl::StatusOr<VirtioDevice*>(absl::string_view)> make;
    // What RemoteDevice::Counters gets; at most kMaxCountersBytes.
    std::function<std::string()> counters;
    // How often they are reported while a driver uses the device, for the case
    // that this process dies.
    std::chrono::milliseconds counters_interval{1000};
  };

  // `services` outlives this.
  DeviceServer(Channel control, ServiceClient* services, Config config)
      : config_(std::move(config)),
        services_(services),
        control_(std::move(control)) {}

  // Until the VMM's process goes away, which is OK; the device is reset then.
  // Errors: of the channel; InvalidArgument for what RemoteDevice never sends.
  absl::Status Serve();

 private:
  struct Answer {
    absl::Status status;
    std::vector<uint8_t> body;
  };

  absl::StatusOr<Answer> Handle(Channel::Packet packet);
  absl::Status Make(std::span<const uint8_t> configuration);
  std::vector<uint8_t> Describe();
  absl::StatusOr<std::vector<uint8_t>> ReadConfig(
      std::span<const uint8_t> body);
  absl::Status WriteConfig(std::span<const uint8_t> body);
  absl::Status TakeMemory(std::span<const uint8_t> body,
                          std::vector<SlowFd> fds);
  absl::Status Activate(std::span<const uint8_t> body, std::vector<SlowFd> fds);
  void Reset();
  void ReportCounters();

  // DriverNotifier, for the device's threads:
  void NotifyUsedBuffers(uint16_t index) override;
  void NotifyConfigChange() override;
  void SetNeedsReset() override;

  const Config config_;
  ServiceClient* const services_;
  Channel control_;
  VirtioDevice* device_ = nullptr;
  std::optional<vmm::GuestMemory> memory_;
  // By queue; changed only while the device has no driver.
  std::vector<std::optional<EventFd>> interrupts_;
  bool active_ = false;
  std::string reported_;  // The last counters.
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_REMOTE_DEVICE_SERVER_H_
