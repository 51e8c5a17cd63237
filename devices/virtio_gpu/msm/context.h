#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_CONTEXT_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_CONTEXT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/counter.h"
#include "base/fd.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/busy_objects.h"
#include "devices/virtio_gpu/msm/ccmd.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/fault_reporter.h"
#include "devices/virtio_gpu/msm/gem.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/object_table.h"
#include "devices/virtio_gpu/msm/shmem.h"
#include "devices/virtio_gpu/msm/submitqueues.h"
#include "devices/virtio_gpu/msm/unfinished_work.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// What contexts share; all of it outlives them.
struct ContextEnvironment {
  Counters& counters;
  SharedCounter& refused_submits;  // By the driver, for what is in them.
  BusyObjects& busy;
  UnfinishedWork& unfinished;
  const DrmDevice& device;
  uint32_t version_minor;  // Of the host's msm driver.
  uint32_t priorities;
  bool has_cached_coherent;   // MSM_BO_CACHED_COHERENT.
  bool guests_always_cached;  // See MsmConfig.
  const Limits& limits;
};

// A guest's connection to the GPU: an open render node driven by ccmds, every
// one of them hostile. Answers go to the control memory, before the seqno of
// the command is published there; a command that has no answer of its own shows
// a failure by msm_shmem::async_error, which Mesa takes for a lost context. No
// command waits: CPU_PREP answers -EBUSY and WAIT_FENCE -ETIMEDOUT.
class MsmContext final : public virtio_gpu::Context {
 public:
  MsmContext(std::shared_ptr<DrmFile> drm,
             const ContextEnvironment& environment);
  ~MsmContext() override;
  MsmContext(const MsmContext&) = delete;
  MsmContext& operator=(const MsmContext&) = delete;

  // A Submit ends behind the command under way, one that follows behind its
  // first.
  void Cancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  // Runs every command, also those behind one that fails, unless cancelled;
  // none of more than kMaxCcmds. The status is that of the first failure that
  // the guest was told by async_error.
  absl::Status Submit(std::span<const uint8_t> commands,
                      std::optional<uint8_t> fence_ring) override;
  // Ring 0 is the CPU's: what was submitted there is done already.
  absl::StatusOr<Fd> FenceRing(uint8_t ring_idx) override;
  std::shared_ptr<virtio_gpu::FenceObserver> fence_observer() override {
    return faults_;
  }
  absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> CreateBlob(
      const virtio_gpu::BlobRequest& request) override;
  void CancelBlob(uint64_t blob_id) override { objects_.TakePending(blob_id); }
  absl::Status AttachResource(uint32_t resource_id,
                              virtio_gpu::Blob& blob) override;
  void DetachResource(uint32_t resource_id) override;

 private:
  // Tells the guest; `first` becomes the first of them.
  void ShowError(absl::Status error, absl::Status& first);
  // Of a stream of which so many bytes were not run.
  ABSL_ATTRIBUTE_NOINLINE void ShowRest(size_t bytes, absl::Status& first);
  // One a ccmd. A status that is not OK is a failure the guest must learn of by
  // async_error; commands with an answer put the driver's errors there instead.
  absl::Status Run(const vdrm_ccmd_req& header, const MalformedCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req&, const NopCcmd&) { return {}; }
  absl::Status Run(const vdrm_ccmd_req& header, const IoctlSimpleCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const GemNewCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const GemSetIovaCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const GemCpuPrepCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const GemSetNameCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const GemSubmitCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const GemUploadCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header,
                   const SubmitqueueQueryCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const WaitFenceCcmd& ccmd);
  absl::Status Run(const vdrm_ccmd_req& header, const SetDebuginfoCcmd& ccmd);

  // `bytes` of unfinished work have been taken for it.
  ABSL_ATTRIBUTE_ALWAYS_INLINE absl::Status Submit(const SubmitRequest& request,
                                                   uint32_t ring,
                                                   uint32_t bytes);
  // Where the ring has not as much in advance.
  ABSL_ATTRIBUTE_NOINLINE absl::Status TakeMoreAndSubmit(
      const SubmitRequest& request, uint32_t ring, uint32_t bytes);
  // Ioctls that IOCTL_SIMPLE may carry: their results, 0 or -errno.
  int32_t GetParam(drm_msm_param& argument);
  int32_t SubmitqueueNew(drm_msm_submitqueue& argument);

  absl::StatusOr<Shmem::Slot> ReserveResponse(const vdrm_ccmd_req& header,
                                              uint32_t size) const;
  // For commands whose answer is a result alone.
  absl::Status RespondResult(const vdrm_ccmd_req& header,
                             const absl::Status& result);
  // The MSM_BO_* flags for what a guest asked of GEM_NEW. EINVAL where the
  // driver knows no such caching.
  absl::StatusOr<uint32_t> ObjectFlags(uint32_t guest_flags) const;
  // Of the driver's; returns it.
  ABSL_ATTRIBUTE_NOINLINE absl::Status OnRefusedSubmit(uint32_t ring,
                                                       uint32_t bytes,
                                                       absl::Status error);
  // For a guest with larger pages than the host's: the object made anew, of
  // `blob_size` bytes, where that is its size in whole pages of such a guest.
  absl::StatusOr<std::shared_ptr<GemObject>> GrowToGuestPages(
      std::shared_ptr<GemObject> object, uint64_t blob_size);
  absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> CreateShmem(
      const virtio_gpu::BlobRequest& request);

  Counters& counters_;
  SharedCounter& refused_submits_;
  const Limits& limits_;
  const uint32_t version_minor_;  // Of the host's msm driver.
  const bool has_wait_boost_;
  const bool has_cached_coherent_;
  const bool replaces_write_combined_;
  std::atomic<bool> cancelled_{false};
  const std::shared_ptr<GemFile> file_;
  Submitqueues queues_;
  ContextWork work_;
  ObjectTable objects_;
  std::optional<Shmem> shmem_;
  uint32_t shmem_resource_ = 0;                  // 0: none attached.
  std::optional<uint8_t> fence_ring_;            // Of the Submit under way.
  bool checks_submits_;                          // See submit_check.h.
  std::string name_;                             // Scratch.
  const std::shared_ptr<FaultReporter> faults_;  // May outlive the context.
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_CONTEXT_H_
