#include "devices/virtio_gpu/msm/gem_blob.h"

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

// How the host's driver would map the object for a program of its own.
virtio_gpu::MapCaching CachingOf(uint32_t flags) {
  switch (flags & MSM_BO_CACHE_MASK) {
    case MSM_BO_CACHED:
    case MSM_BO_CACHED_COHERENT:
      return virtio_gpu::MapCaching::kCached;
    default:
      // UNCACHED too: the driver has mapped it as write-combined for long.
      return virtio_gpu::MapCaching::kWriteCombined;
  }
}

}  // namespace

absl::StatusOr<virtio_gpu::BlobMemory> GemBlob::GetMemory() {
  if (!mappable_) {
    return absl::FailedPreconditionError("blob was not made mappable");
  }
  ASSIGN_OR_RETURN(const GemMemory memory, object_->GetMemory());
  return virtio_gpu::BlobMemory{.fd = memory.fd,
                                .offset = memory.offset,
                                .caching = CachingOf(object_->flags())};
}

absl::StatusOr<Fd> GemBlob::Export() {
  if (!shareable_) {
    return absl::FailedPreconditionError("blob was not made shareable");
  }
  return object_->Export();
}

}  // namespace nacre::msm
