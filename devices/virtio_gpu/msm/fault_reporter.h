#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_FAULT_REPORTER_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_FAULT_REPORTER_H_

#include <chrono>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/shmem.h"

namespace nacre::msm {

// Keeps msm_shmem::global_faults, by which Mesa learns that the GPU hung or was
// reset: a guest compares it after a wait, without asking anybody. There is no
// event for it in the UAPI, only MSM_PARAM_FAULTS, an ioctl.
//
// It is looked up whenever a guest has waited by WAIT_FENCE; with commands, at
// most every kCommandInterval; and with fences, before the guest hears of them,
// at most every kFenceInterval. Nothing is lost by the latter: a hang holds up
// the fences behind it for longer (hangcheck: 250 ms and more; the hardware's
// own detector and the reset: tens of milliseconds), so the fence of the job
// that hung comes late enough after the look-up before it.
//
// Outlives its context: fences of it may be pending. Thread-safe.
class FaultReporter final : public virtio_gpu::FenceObserver {
 public:
  static constexpr std::chrono::milliseconds kCommandInterval{50};
  static constexpr std::chrono::milliseconds kFenceInterval{5};

  explicit FaultReporter(DrmFile& drm) : drm_(&drm) {}

  // Where to report, or null. Looks up at once.
  void SetShmem(Shmem* shmem);
  // Uses neither the file nor the control memory from here on.
  void Stop();

  // The guest has waited for the GPU.
  void OnWait();
  // The guest has sent commands.
  void OnCommands();
  // virtio_gpu::FenceObserver.
  void OnFenceSignalled() override;

 private:
  using Clock = std::chrono::steady_clock;

  void Report(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  DrmFile* drm_ ABSL_GUARDED_BY(mutex_);
  Shmem* shmem_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Clock::time_point last_report_ ABSL_GUARDED_BY(mutex_);
  // Of those by OnFenceSignalled: a report with a command a moment before the
  // hang was noticed does not count.
  Clock::time_point last_fence_report_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_FAULT_REPORTER_H_
