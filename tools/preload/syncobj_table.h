#ifndef NACRE_TOOLS_PRELOAD_SYNCOBJ_TABLE_H_
#define NACRE_TOOLS_PRELOAD_SYNCOBJ_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "tools/preload/syncobj.h"

namespace nacre::preload {

// An open file's handles of syncobjs: the smallest free number >= 1 first; an
// object may have several. Thread-safe.
class SyncobjTable {
 public:
  uint32_t Insert(std::shared_ptr<Syncobj> syncobj);
  // Null for a number that is no handle.
  std::shared_ptr<Syncobj> Find(uint32_t handle) const;
  // ENOENT unless all are handles.
  absl::StatusOr<std::vector<std::shared_ptr<Syncobj>>> FindAll(
      std::span<const uint32_t> handles) const;
  // Whether it was a handle.
  bool Remove(uint32_t handle);

 private:
  mutable Mutex mutex_;
  std::map<uint32_t, std::shared_ptr<Syncobj>> syncobjs_
      ABSL_GUARDED_BY(mutex_);
  uint32_t lowest_free_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_SYNCOBJ_TABLE_H_
