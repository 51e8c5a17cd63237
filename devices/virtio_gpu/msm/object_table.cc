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
  if (!attached_.Insert(resource_id, std::move(object))) {
    return absl::AlreadyExistsError(
        absl::StrCat("resource ", resource_id, " is attached"));
  }
  return absl::OkStatus();
}

std::shared_ptr<GemObject> ObjectTable::Detach(uint32_t resource_id) {
  return attached_.Erase(resource_id);
}

absl::Status ObjectTable::NotAttached(uint32_t resource_id) {
  return ErrnoStatus(ENOENT, absl::StrCat("resource ", resource_id));
}

}  // namespace nacre::msm
