#include "devices/virtio_gpu/msm/fault_reporter.h"

#include <cstdint>

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

void FaultReporter::SetShmem(Shmem* shmem) {
  MutexLock lock(mutex_);
  shmem_ = shmem;
  Report(Clock::now());
}

void FaultReporter::Stop() {
  MutexLock lock(mutex_);
  shmem_ = nullptr;
  drm_ = nullptr;
}

void FaultReporter::OnWait() {
  MutexLock lock(mutex_);
  Report(Clock::now());
}

void FaultReporter::OnCommands() {
  const Clock::time_point now = Clock::now();
  MutexLock lock(mutex_);
  if (now - last_report_ >= kCommandInterval) Report(now);
}

void FaultReporter::OnFenceSignalled() {
  const Clock::time_point now = Clock::now();
  MutexLock lock(mutex_);
  if (now - last_fence_report_ < kFenceInterval) return;
  last_fence_report_ = now;
  Report(now);
}

void FaultReporter::Report(Clock::time_point now) {
  if (shmem_ == nullptr) return;
  last_report_ = now;
  const absl::StatusOr<uint64_t> faults = drm_->GetParam(MSM_PARAM_FAULTS);
  if (faults.ok()) shmem_->SetGlobalFaults(static_cast<uint32_t>(*faults));
}

}  // namespace nacre::msm
