#ifndef NACRE_DEVICES_VIRTIO_GPU_RESOURCE_TABLE_H_
#define NACRE_DEVICES_VIRTIO_GPU_RESOURCE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio_gpu/backing.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/limits.h"
#include "devices/virtio_gpu/resource.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// The guest's resources by id, and what they hold of the host, within the
// limits. Guest-controlled ids; a reference to a Resource stays valid until
// Remove.
class ResourceTable {
 public:
  explicit ResourceTable(const Limits& limits) : limits_(limits) {}

  size_t size() const { return resources_.size(); }
  uint64_t image_bytes() const { return image_bytes_; }

  // ResourceIdError where there is none.
  absl::StatusOr<Resource*> Find(uint32_t id);

  // Whether a resource of this id could be created now: ResourceIdError where
  // the id is in use, ResourceExhausted where the table is full.
  absl::Status CheckNew(uint32_t id) const;

  // As CheckNew; ResourceExhausted also where the pixels would be beyond
  // max_total_image_bytes or the heap.
  absl::Status CreateImage(uint32_t id, PixelFormat format, uint32_t width,
                           uint32_t height);

  // As CheckNew. `host` is null for GUEST blobs.
  absl::StatusOr<Resource*> CreateBlob(wire::BlobMem mem,
                                       const BlobRequest& request,
                                       std::unique_ptr<Blob> host);

  // Errors: InvalidArgument where it has one already or where a blob needs
  // more bytes; ResourceExhausted beyond max_total_mem_entries.
  absl::Status AttachBacking(Resource& resource, Backing backing);
  void DetachBacking(Resource& resource);

  // `resource` is in no window, context or scanout any more.
  void Remove(Resource& resource);

 private:
  const Limits limits_;
  // By pointer: references survive growth.
  absl::flat_hash_map<uint32_t, std::unique_ptr<Resource>> resources_;
  uint64_t image_bytes_ = 0;
  size_t backing_pieces_ = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_RESOURCE_TABLE_H_
