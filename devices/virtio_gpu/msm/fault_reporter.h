#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_FAULT_REPORTER_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_FAULT_REPORTER_H_

#include <atomic>
#include <chrono>
#include <cstdint>

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
// It is looked up with commands, at most every kCommandInterval, by the clock
// that every kCommandsALook-th of them looks at; and with fences, before the
// guest hears of them, and where it has waited for one by WAIT_FENCE, at most
// every kFenceInterval. Nothing is lost by the latter: a hang holds up the
// fences behind it for longer (hangcheck: 250 ms and more; the hardware's own
// detector and the reset: tens of milliseconds), so the fence of the job that
// hung comes late enough after the look-up before it.
//
// Outlives its context: fences of it may be pending. Thread-safe.
class FaultReporter final : public virtio_gpu::FenceObserver {
 public:
  static constexpr uint32_t kCommandsALook = 16;
  static constexpr std::chrono::milliseconds kCommandInterval{50};
  static constexpr std::chrono::milliseconds kFenceInterval{5};

  explicit FaultReporter(DrmFile& drm) : drm_(&drm) {}

  // Where to report, or null. Looks up at once.
  void SetShmem(Shmem* shmem);
  // Uses neither the file nor the control memory from here on. Waits for an
  // ioctl that is under way.
  void Stop();

  // The guest has waited for the GPU, and not in vain.
  void OnWait() { OnFenceSignalled(); }
  // The guest has sent commands. By the context's thread.
  void OnCommands() {
    if (++commands_ % kCommandsALook != 0) return;
    const int64_t now = Milliseconds();
    if (now - last_report_.load(std::memory_order_relaxed) >=
        kCommandInterval.count()) {
      Report(now, last_report_);
    }
  }
  // virtio_gpu::FenceObserver.
  void OnFenceSignalled() override {
    const int64_t now = Milliseconds();
    if (now - last_fence_report_.load(std::memory_order_relaxed) >=
        kFenceInterval.count()) {
      Report(now, last_fence_report_);
    }
  }

 private:
  using Time = std::atomic<int64_t>;
  static constexpr int64_t kNever = INT64_MIN / 2;

  // By a clock that costs next to nothing and moves with the kernel's tick, of
  // 1 to 10 ms.
  static int64_t Milliseconds();
  void Report(int64_t now, Time& last) ABSL_LOCKS_EXCLUDED(mutex_);

  uint32_t commands_ = 0;
  Mutex mutex_;
  CondVar idle_;
  DrmFile* drm_ ABSL_GUARDED_BY(mutex_);
  Shmem* shmem_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Look-ups under way, each on its thread: none waits for another.
  int look_ups_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t faults_ ABSL_GUARDED_BY(mutex_) = 0;  // They only become more.
  // When there was a report, and the last of those with fences: one with a
  // command a moment before the hang was noticed does not count there.
  Time last_report_ = kNever;
  Time last_fence_report_ = kNever;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_FAULT_REPORTER_H_
