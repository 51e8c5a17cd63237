#ifndef NACRE_NACRE_REMOTE_WINDOW_H_
#define NACRE_NACRE_REMOTE_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "absl/status/status.h"
#include "devices/virtio/remote/device_services.h"
#include "devices/virtio_gpu/blob_window.h"

namespace nacre {

// The host-visible window of a GPU's process: the memory is in the VMM's, which
// maps on request. GpuServices is at the other end.
class RemoteWindow final : public virtio_gpu::BlobWindow {
 public:
  // `services` outlives this.
  explicit RemoteWindow(virtio::DeviceServices* services)
      : services_(services) {}

  std::span<uint8_t> host() const override { return {}; }
  absl::Status Map(uint64_t offset, uint64_t size,
                   const virtio_gpu::BlobMemory& blob) override;
  absl::Status Unmap(uint64_t offset) override;
  absl::Status Clear() override;
  size_t num_mappings() const override { return mappings_.size(); }
  uint64_t mapped_bytes() const override { return mapped_bytes_; }

 private:
  virtio::DeviceServices* const services_;
  std::map<uint64_t, uint64_t> mappings_;  // Offset to size.
  uint64_t mapped_bytes_ = 0;
};

}  // namespace nacre

#endif  // NACRE_NACRE_REMOTE_WINDOW_H_
