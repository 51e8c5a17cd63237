#include "devices/virtio_gpu/msm/busy_objects.h"

#include <algorithm>
#include <cerrno>
#include <utility>

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
      objects_.push_back(std::move(object));
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

void BusyObjects::SweepSome() {
  for (size_t n = std::min(objects_.size(), kPerSweep); n != 0; --n) {
    Object object = std::move(objects_.front());
    objects_.pop_front();
    if (IsBusy(*object.drm, object.handle)) {
      objects_.push_back(std::move(object));
    } else {
      CloseNow(object);
    }
  }
}

std::optional<bool> BusyObjects::Reclaim(const DrmFile& drm, uint32_t handle) {
  const auto it =
      std::find_if(objects_.begin(), objects_.end(), [&](const Object& object) {
        return object.drm.get() == &drm && object.handle == handle;
      });
  if (it == objects_.end()) return std::nullopt;
  const bool may_have_iova = it->may_have_iova;
  Uncount(*it);
  objects_.erase(it);
  return may_have_iova;
}

}  // namespace nacre::msm
