#include "devices/virtio_gpu/msm/busy_objects.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/errno_status.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

bool BusyObjects::IsBusy(DrmFile& drm, uint32_t handle) {
  return StatusErrno(drm.GemCpuPrep(handle, MSM_PREP_WRITE)) == EBUSY;
}

bool BusyObjects::HasAnyOf(const DrmFile& drm) {
  if (!has_objects()) return false;
  MutexLock lock(mutex_);
  return by_file_.contains(&drm);
}

void BusyObjects::Close(Object object) {
  // A program that has left one busy object has most often left many.
  const bool asks = object.known_idle || !HasAnyOf(*object.drm);
  if (asks && CloseIfIdle(object)) return;
  object.known_idle = false;
  if (!object.is_counted) counters_.object_bytes.Add(object.size);
  object.is_counted = true;
  MutexLock lock(mutex_);
  Add(std::move(object), /*first=*/false);
}

// Attack stopped: threads that wait in GEM_CLOSE for hours of work. A context
// submits those without the object, and then for a tenth of a second a
// GEM_SUBMIT with it, which has no fence of the object's yet; in that time
// another context lets go of it.
bool BusyObjects::CloseIfIdle(const Object& object) {
  if (!object.known_idle && IsBusy(*object.drm, object.handle)) return false;
  if (!object.is_shared) {
    CloseNow(object);
    return true;
  }
  if (!submits_of_shared_.TryLock()) return false;
  // Asked again: others do not wait for the first answer, which may take a
  // tick.
  const bool is_idle = !IsBusy(*object.drm, object.handle);
  if (is_idle) CloseNow(object);
  submits_of_shared_.Unlock();
  return is_idle;
}

void BusyObjects::CloseNow(const Object& object) {
  // An address outlives the handle as long as somebody else has the object open
  // (Linux before 6.17). In the file, the guest will use it for another one;
  // and it keeps the address space of a file that is gone, in memory that
  // nothing counts. There is nobody left to tell of an error.
  if (object.may_have_iova) {
    object.drm->GemSetIova(object.handle, 0).IgnoreError();
  }
  object.drm->GemClose(object.handle).IgnoreError();
  Uncount(object);
}

void BusyObjects::Uncount(const Object& object) {
  counters_.objects.Subtract();
  if (object.is_counted) counters_.object_bytes.Subtract(object.size);
}

void BusyObjects::Add(Object object, bool first) {
  ++by_file_[object.drm.get()];
  objects_.insert(first ? objects_.begin() : objects_.end(), std::move(object));
  has_objects_.store(true, std::memory_order_relaxed);
}

void BusyObjects::Taken(const DrmFile* drm) {
  const auto it = by_file_.find(drm);
  if (--it->second == 0) by_file_.erase(it);
  if (objects_.empty()) has_objects_.store(false, std::memory_order_relaxed);
}

BusyObjects::Swept BusyObjects::SweepSome(const DrmFile* own) {
  absl::InlinedVector<Object, kPerSweep> taken;
  Swept swept;
  {
    MutexLock lock(mutex_);
    for (size_t n = std::min(objects_.size(), kPerSweep); n != 0; --n) {
      Object object = std::move(objects_.front());
      objects_.pop_front();
      const DrmFile* const drm = object.drm.get();
      // No context, blob or other sweep has it.
      const bool is_orphan =
          object.drm.use_count() == static_cast<long>(by_file_.at(drm));
      if (drm == own || is_orphan) {
        // With its share in the file, which makes no orphan of the next one.
        taken.push_back(std::move(object));
      } else {
        objects_.push_back(std::move(object));
        ++swept.count;
      }
    }
    for (const Object& object : taken) Taken(object.drm.get());
  }
  size_t asked = 0;
  for (; asked < taken.size() && !swept.met_busy; ++asked) {
    swept.met_busy = !CloseIfIdle(taken[asked]);
  }
  if (swept.met_busy) {
    MutexLock lock(mutex_);
    Add(std::move(taken[asked - 1]), /*first=*/false);
    // The next sweep begins with the others.
    for (size_t i = taken.size(); i > asked; --i) {
      Add(std::move(taken[i - 1]), /*first=*/true);
    }
  }
  swept.count += asked;
  return swept;
}

void BusyObjects::SweepMany(const DrmFile* own, size_t most) {
  size_t rest = 0;
  {
    MutexLock lock(mutex_);
    rest = std::min(objects_.size(), most);
  }
  const auto start = std::chrono::steady_clock::now();
  while (rest > 0) {
    const Swept swept = SweepSome(own);
    if (swept.count == 0) return;  // Others have them.
    rest -= std::min(rest, swept.count);
    if (swept.met_busy &&
        std::chrono::steady_clock::now() - start > kLongSweep) {
      return;
    }
  }
}

std::optional<BusyObjects::Object> BusyObjects::Reclaim(const DrmFile& drm,
                                                        uint32_t handle) {
  MutexLock lock(mutex_);
  if (!by_file_.contains(&drm)) return std::nullopt;
  const auto it =
      std::find_if(objects_.begin(), objects_.end(), [&](const Object& object) {
        return object.drm.get() == &drm && object.handle == handle;
      });
  if (it == objects_.end()) return std::nullopt;
  Object object = std::move(*it);
  Uncount(object);
  objects_.erase(it);
  Taken(&drm);
  return object;
}

}  // namespace nacre::msm
