#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_OBJECT_TABLE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_OBJECT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/optimization.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/attached_objects.h"
#include "devices/virtio_gpu/msm/gem.h"

namespace nacre::msm {

// What a context's ids stand for: resource ids of attached objects, and
// blob_ids of objects that GEM_NEW made and no RESOURCE_CREATE_BLOB has claimed
// yet. Ids are the guest's.
class ObjectTable {
 public:
  // Attack stopped: a guest that makes objects until the host has no memory for
  // their bookkeeping. Games have some ten thousand.
  static constexpr size_t kMaxObjects = 1 << 17;
  // The guest's kernel sends CREATE_BLOB right behind GEM_NEW; what is never
  // claimed, as that did not come or was cut short before its blob_id, is no
  // resource that the device could cap. It takes room, and its bytes, of the
  // one context alone, until that ends.
  static constexpr size_t kMaxPending = 256;

  // AlreadyExists where the blob_id is waiting already, ResourceExhausted at a
  // cap: asked before the object is made.
  absl::Status CheckPending(uint64_t blob_id) const;
  void AddPending(uint64_t blob_id, std::shared_ptr<GemObject> object);
  // Forgets the blob_id; null where there was none.
  std::shared_ptr<GemObject> TakePending(uint64_t blob_id);

  bool attached(uint32_t resource_id) const {
    return attached_.FindHandle(resource_id) != 0;
  }
  // AlreadyExists, ResourceExhausted.
  absl::Status Attach(uint32_t resource_id, std::shared_ptr<GemObject> object);
  // Forgets the resource id; null where there was none.
  std::shared_ptr<GemObject> Detach(uint32_t resource_id);

  // NotFound (ENOENT) where no such resource is attached.
  absl::StatusOr<GemObject*> Find(uint32_t resource_id) const {
    GemObject* const object = attached_.Find(resource_id);
    if (ABSL_PREDICT_FALSE(object == nullptr)) return NotAttached(resource_id);
    return object;
  }
  // By resource id the GEM handle, or 0 where no such resource is attached.
  AttachedObjects::Handles handles() const { return attached_.handles(); }

 private:
  static absl::Status NotAttached(uint32_t resource_id);

  AttachedObjects attached_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<GemObject>> pending_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_OBJECT_TABLE_H_
