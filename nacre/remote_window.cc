#include "nacre/remote_window.h"

#include "base/status_macros.h"

namespace nacre {

absl::Status RemoteWindow::Map(uint64_t offset, uint64_t size,
                               const virtio_gpu::BlobMemory& blob) {
  RETURN_IF_ERROR(services_->MapRegion(offset, size, blob.offset, blob.fd));
  mappings_[offset] = size;
  mapped_bytes_ += size;
  return absl::OkStatus();
}

absl::Status RemoteWindow::Unmap(uint64_t offset) {
  RETURN_IF_ERROR(services_->UnmapRegion(offset));
  if (const auto it = mappings_.find(offset); it != mappings_.end()) {
    mapped_bytes_ -= it->second;
    mappings_.erase(it);
  }
  return absl::OkStatus();
}

absl::Status RemoteWindow::Clear() {
  RETURN_IF_ERROR(services_->ClearRegion());
  mappings_.clear();
  mapped_bytes_ = 0;
  return absl::OkStatus();
}

}  // namespace nacre
