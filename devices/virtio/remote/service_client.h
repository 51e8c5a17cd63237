#ifndef NACRE_DEVICES_VIRTIO_REMOTE_SERVICE_CLIENT_H_
#define NACRE_DEVICES_VIRTIO_REMOTE_SERVICE_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "devices/virtio/remote/channel.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio/remote/messages.h"

namespace nacre::virtio {

// The device's end of the services channel: asks the VMM's process, which it
// trusts and waits for. Thread-safe.
class ServiceClient final : public DeviceServices {
 public:
  explicit ServiceClient(Channel channel) : channel_(std::move(channel)) {}

  absl::Status MapRegion(uint64_t offset, uint64_t size, uint64_t file_offset,
                         int file) override;
  absl::Status UnmapRegion(uint64_t offset) override;
  absl::Status ClearRegion() override;
  absl::StatusOr<Fd> OpenNode() override;

  // Reports. The VMM's end of the channel going away is no concern of theirs.
  void ReportConfigChange();
  void ReportNeedsReset();
  // At most kMaxCountersBytes.
  void ReportCounters(absl::string_view counters);

 private:
  absl::StatusOr<Fd> Ask(MessageType type, std::span<const uint8_t> body,
                         std::span<const int> fds, size_t max_fds);
  void Report(MessageType type, std::span<const uint8_t> body);

  Mutex mutex_;
  Channel channel_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_REMOTE_SERVICE_CLIENT_H_
