#include "devices/virtio_gpu/msm/object_table.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre::msm {

absl::Status ObjectTable::CheckPending(uint64_t blob_id) const {
  if (pending_.contains(blob_id)) {
    return absl::AlreadyExistsError(
        absl::StrCat("GEM_NEW: blob_id ", blob_id, " is waiting for its blob"));
  }
  if (pending_.size() >= kMaxPending || attached_.size() >= kMaxObjects) {
    return absl::ResourceExhaustedError(
        absl::StrCat("GEM_NEW: ", pending_.size(), " objects without a blob, ",
                     attached_.size(), " with one"));
  }
  return absl::OkStatus();
}

void ObjectTable::AddPending(uint64_t blob_id,
                             std::shared_ptr<GemObject> object) {
  pending_[blob_id] = std::move(object);
}

std::shared_ptr<GemObject> ObjectTable::TakePending(uint64_t blob_id) {
  const auto it = pending_.find(blob_id);
  if (it == pending_.end()) return nullptr;
  std::shared_ptr<GemObject> object = std::move(it->second);
  pending_.erase(it);
  return object;
}

absl::Status ObjectTable::Attach(uint32_t resource_id,
                                 std::shared_ptr<GemObject> object) {
  if (attached_.size() >= kMaxObjects) {
    return absl::ResourceExhaustedError(
        absl::StrCat(attached_.size(), " objects in a context"));
  }
  const uint32_t handle = object->handle();
  if (!attached_.try_emplace(resource_id, Attached{handle, std::move(object)})
           .second) {
    return absl::AlreadyExistsError(
        absl::StrCat("resource ", resource_id, " is attached"));
  }
  return absl::OkStatus();
}

std::shared_ptr<GemObject> ObjectTable::Detach(uint32_t resource_id) {
  const auto it = attached_.find(resource_id);
  if (it == attached_.end()) return nullptr;
  std::shared_ptr<GemObject> object = std::move(it->second.object);
  attached_.erase(it);
  return object;
}

absl::StatusOr<GemObject*> ObjectTable::Find(uint32_t resource_id) const {
  const auto it = attached_.find(resource_id);
  if (it == attached_.end()) {
    return ErrnoStatus(ENOENT, absl::StrCat("resource ", resource_id));
  }
  return it->second.object.get();
}

}  // namespace nacre::msm
