#include "tools/preload/syncobj_table.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre::preload {

uint32_t SyncobjTable::Insert(std::shared_ptr<Syncobj> syncobj) {
  MutexLock lock(mutex_);
  const uint32_t handle = lowest_free_;
  syncobjs_.emplace(handle, std::move(syncobj));
  while (syncobjs_.contains(lowest_free_)) ++lowest_free_;
  return handle;
}

std::shared_ptr<Syncobj> SyncobjTable::Find(uint32_t handle) const {
  MutexLock lock(mutex_);
  const auto entry = syncobjs_.find(handle);
  return entry != syncobjs_.end() ? entry->second : nullptr;
}

absl::StatusOr<std::vector<std::shared_ptr<Syncobj>>> SyncobjTable::FindAll(
    std::span<const uint32_t> handles) const {
  std::vector<std::shared_ptr<Syncobj>> found;
  found.reserve(handles.size());
  for (const uint32_t handle : handles) {
    std::shared_ptr<Syncobj> syncobj = Find(handle);
    if (syncobj == nullptr) {
      return ErrnoStatus(ENOENT, absl::StrCat("syncobj ", handle));
    }
    found.push_back(std::move(syncobj));
  }
  return found;
}

bool SyncobjTable::Remove(uint32_t handle) {
  MutexLock lock(mutex_);
  if (syncobjs_.erase(handle) == 0) return false;
  lowest_free_ = std::min(lowest_free_, handle);
  return true;
}

}  // namespace nacre::preload
