#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_GEM_BLOB_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_GEM_BLOB_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/gem.h"

namespace nacre::msm {

// A blob resource's share in a GEM object.
class GemBlob final : public virtio_gpu::Blob {
 public:
  GemBlob(std::shared_ptr<GemObject> object, bool mappable, bool shareable)
      : object_(std::move(object)),
        mappable_(mappable),
        shareable_(shareable) {}

  uint64_t size() const override { return object_->size(); }
  absl::StatusOr<virtio_gpu::BlobMemory> GetMemory() override;
  absl::StatusOr<Fd> Export() override;

 private:
  const std::shared_ptr<GemObject> object_;
  const bool mappable_;
  const bool shareable_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_GEM_BLOB_H_
