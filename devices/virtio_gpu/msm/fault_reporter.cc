#include "devices/virtio_gpu/msm/fault_reporter.h"

#include <algorithm>
#include <ctime>

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

void FaultReporter::SetShmem(Shmem* shmem) {
  {
    MutexLock lock(mutex_);
    shmem_ = shmem;
  }
  Report(Milliseconds(), last_report_);
}

void FaultReporter::Stop() {
  MutexLock lock(mutex_);
  shmem_ = nullptr;
  while (look_ups_ != 0) idle_.Wait(mutex_);
  drm_ = nullptr;
}

int64_t FaultReporter::Milliseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void FaultReporter::Report(int64_t now, Time& last) {
  DrmFile* drm = nullptr;
  {
    MutexLock lock(mutex_);
    last.store(now, std::memory_order_relaxed);
    if (shmem_ == nullptr) return;
    last_report_.store(now, std::memory_order_relaxed);
    drm = drm_;
    ++look_ups_;
  }
  const absl::StatusOr<uint64_t> faults = drm->GetParam(MSM_PARAM_FAULTS);
  MutexLock lock(mutex_);
  // One that began earlier may end later.
  if (faults.ok()) faults_ = std::max(faults_, *faults);
  if (shmem_ != nullptr) {
    shmem_->SetGlobalFaults(static_cast<uint32_t>(faults_));
  }
  if (--look_ups_ == 0) idle_.SignalAll();
}

}  // namespace nacre::msm
