#include "devices/virtio_gpu/msm/busy_objects.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/errno_status.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

// The release that made addresses the file's and not the object's
// (msm_gem_close waits for the object's fences).
constexpr uint32_t kMinorWhereCloseWaits = 13;

}  // namespace

BusyObjects::BusyObjects(const DriverVersion& version, Counters& counters)
    : close_waits_(version.minor >= kMinorWhereCloseWaits),
      counters_(counters) {}

bool BusyObjects::IsBusy(DrmFile& drm, uint32_t handle) {
  return StatusErrno(drm.GemCpuPrep(handle, MSM_PREP_WRITE)) == EBUSY;
}

void BusyObjects::Close(Object object) {
  if (IsBusy(*object.drm, object.handle)) {
    if (close_waits_) {
      MutexLock lock(mutex_);
      Add(std::move(object));
      return;
    }
    object.may_have_iova = false;
  }
  CloseNow(object);
}

void BusyObjects::CloseNow(const Object& object) {
  // An address may outlive the handle as long as somebody else has the object
  // open (Linux before 6.17), and the guest will use it for another one. There
  // is nobody left to tell of an error.
  if (object.may_have_iova) {
    object.drm->GemSetIova(object.handle, 0).IgnoreError();
  }
  object.drm->GemClose(object.handle).IgnoreError();
  Uncount(object);
}

void BusyObjects::Uncount(const Object& object) {
  counters_.objects.Subtract();
  counters_.object_bytes.Subtract(object.bytes);
}

void BusyObjects::Add(Object object) {
  ++by_file_[object.drm.get()];
  objects_.push_back(std::move(object));
  has_objects_.store(true, std::memory_order_relaxed);
}

void BusyObjects::Taken(const DrmFile* drm) {
  const auto it = by_file_.find(drm);
  if (--it->second == 0) by_file_.erase(it);
  if (objects_.empty()) has_objects_.store(false, std::memory_order_relaxed);
}

void BusyObjects::SweepSome(const DrmFile* own) {
  absl::InlinedVector<Object, kPerSweep> taken;
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
      }
    }
    for (const Object& object : taken) Taken(object.drm.get());
  }
  for (Object& object : taken) {
    if (!IsBusy(*object.drm, object.handle)) {
      CloseNow(object);
      continue;
    }
    MutexLock lock(mutex_);
    Add(std::move(object));
  }
}

void BusyObjects::SweepAll() {
  size_t rest = 0;
  {
    MutexLock lock(mutex_);
    rest = objects_.size();
  }
  // Those that are still busy, or not looked at, go to the end.
  for (; rest > 0; rest -= std::min(rest, kPerSweep)) SweepSome(nullptr);
}

std::optional<bool> BusyObjects::Reclaim(const DrmFile& drm, uint32_t handle) {
  MutexLock lock(mutex_);
  const auto it =
      std::find_if(objects_.begin(), objects_.end(), [&](const Object& object) {
        return object.drm.get() == &drm && object.handle == handle;
      });
  if (it == objects_.end()) return std::nullopt;
  const bool may_have_iova = it->may_have_iova;
  Uncount(*it);
  objects_.erase(it);
  Taken(&drm);
  return may_have_iova;
}

}  // namespace nacre::msm
