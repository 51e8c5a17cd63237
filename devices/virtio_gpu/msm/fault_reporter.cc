#include "devices/virtio_gpu/msm/fault_reporter.h"

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
  drm_ = nullptr;
}

int64_t FaultReporter::Milliseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void FaultReporter::Report(int64_t now, Time& last) {
  MutexLock lock(mutex_);
  last.store(now, std::memory_order_relaxed);
  if (shmem_ == nullptr) return;
  last_report_.store(now, std::memory_order_relaxed);
  const absl::StatusOr<uint64_t> faults = drm_->GetParam(MSM_PARAM_FAULTS);
  if (faults.ok()) shmem_->SetGlobalFaults(static_cast<uint32_t>(*faults));
}

}  // namespace nacre::msm
