#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/base/optimization.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/context.h"
#include "devices/virtio_gpu/msm/submit_check.h"
#include "devices/virtio_gpu/msm/submit_translator.h"
#include "devices/virtio_gpu/msm/uapi.h"

// The ccmds of MsmContext, one by one.

namespace nacre::msm {
namespace {

// What a guest may ask of GEM_NEW. NO_SHARE would break a shareable blob, and
// bits beyond have no meaning on this wire.
constexpr uint32_t kGemNewFlags =
    MSM_BO_SCANOUT | MSM_BO_GPU_READONLY | MSM_BO_CACHE_MASK;

// Attack stopped: the host's log flooded. The kernel has a line in it for every
// other bit.
constexpr uint32_t kPrepOps =
    MSM_PREP_READ | MSM_PREP_WRITE | MSM_PREP_NOSYNC | MSM_PREP_BOOST;

// GEM names: the kernel refuses 32 bytes.
constexpr size_t kMaxGemName = 31;
// A task's name in Linux has no more (TASK_COMM_LEN).
constexpr size_t kMaxComm = 15;
// Beyond a page the kernel refuses the string, and shows no more of any
// process. Its log takes 1 KiB of a line.
constexpr size_t kMaxCmdline = 4096;

// Attack stopped: a response longer than any answer of the kernel. Its one
// parameter, FAULTS, has 4 bytes; Mesa asks for 8.
constexpr uint32_t kMaxQueryBytes = 64;

int32_t Result(const absl::Status& status) { return -StatusErrno(status); }

// What IOCTL_SIMPLE answers for an ioctl that is read back.
template <typename Argument>
struct IoctlResponse {
  msm_ccmd_ioctl_simple_rsp head;
  Argument argument;
};
static_assert(sizeof(IoctlResponse<drm_msm_param>) == 32);
static_assert(sizeof(IoctlResponse<drm_msm_submitqueue>) == 20);

// Up to the first zero, as the kernel reads it, at most `max` bytes. In `out`,
// to use its memory again.
// Attack stopped: lines and terminal commands of the guest's in the host's log,
// where the kernel writes such text as it is, at each hang of the GPU.
const std::string& CString(std::span<const uint8_t> bytes, size_t max,
                           std::string& out) {
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  const size_t size = std::min<size_t>(end - bytes.begin(), max);
  out.assign(reinterpret_cast<const char*>(bytes.data()), size);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !absl::ascii_isprint(c); },
      '?');
  return out;
}

bool HasResult(uint32_t cmd) {
  return cmd == MSM_CCMD_IOCTL_SIMPLE || cmd == MSM_CCMD_GEM_CPU_PREP ||
         cmd == MSM_CCMD_SUBMITQUEUE_QUERY || cmd == MSM_CCMD_WAIT_FENCE;
}

}  // namespace

absl::StatusOr<Shmem::Slot> MsmContext::ReserveResponse(
    const vdrm_ccmd_req& header, uint32_t size) const {
  if (!shmem_) {
    return absl::FailedPreconditionError("no control memory to answer in");
  }
  return shmem_->Reserve(header.rsp_off, size);
}

absl::Status MsmContext::RespondResult(const vdrm_ccmd_req& header,
                                       const absl::Status& result) {
  msm_ccmd_wait_fence_rsp response = {.hdr = {}, .ret = Result(result)};
  ASSIGN_OR_RETURN(const Shmem::Slot slot,
                   ReserveResponse(header, sizeof(response)));
  shmem_->Respond(slot, AsWritableBytes(response));
  return absl::OkStatus();
}

absl::Status MsmContext::Run(const vdrm_ccmd_req& header,
                             const MalformedCcmd& ccmd) {
  counters_.malformed.Add();
  absl::Status error =
      ErrnoStatus(EINVAL, absl::StrCat(ccmd.reason, " (ccmd ", header.cmd, ", ",
                                       header.len, " bytes)"));
  if (HasResult(header.cmd)) RespondResult(header, error).IgnoreError();
  return error;
}

// Whole codes are compared (direction, size, type and number), so that what
// reaches the driver is a structure of the size that it takes. A response is
// reserved first: a queue whose id cannot be told is not made.
absl::Status MsmContext::Run(const vdrm_ccmd_req& header,
                             const IoctlSimpleCcmd& ccmd) {
  ByteReader payload(ccmd.payload);
  switch (ccmd.code) {
    case DRM_IOCTL_MSM_GET_PARAM: {
      IoctlResponse<drm_msm_param> response{};
      ASSIGN_OR_RETURN(const Shmem::Slot slot,
                       ReserveResponse(header, sizeof(response)));
      response.argument = payload.ReadZeroExtended<drm_msm_param>();
      response.head.ret = GetParam(response.argument);
      shmem_->Respond(slot, AsWritableBytes(response));
      return absl::OkStatus();
    }
    case DRM_IOCTL_MSM_SUBMITQUEUE_NEW: {
      IoctlResponse<drm_msm_submitqueue> response{};
      ASSIGN_OR_RETURN(const Shmem::Slot slot,
                       ReserveResponse(header, sizeof(response)));
      response.argument = payload.ReadZeroExtended<drm_msm_submitqueue>();
      response.head.ret = SubmitqueueNew(response.argument);
      shmem_->Respond(slot, AsWritableBytes(response));
      return absl::OkStatus();
    }
    case DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE:
      return RespondResult(header,
                           queues_.Close(payload.ReadZeroExtended<uint32_t>()));
    default:
      counters_.refused_ioctls.Add();
      return RespondResult(header, ErrnoStatus(EINVAL, "IOCTL_SIMPLE"));
  }
}

int32_t MsmContext::GetParam(drm_msm_param& argument) {
  // As the kernel checks it; len and pad are for parameters with pointers.
  if (argument.pipe != MSM_PIPE_3D0 || argument.len != 0 || argument.pad != 0) {
    return -EINVAL;
  }
  const absl::StatusOr<uint64_t> value = file_->drm().GetParam(argument.param);
  if (!value.ok()) return Result(value.status());
  argument.value = *value;
  return 0;
}

int32_t MsmContext::SubmitqueueNew(drm_msm_submitqueue& argument) {
  const absl::StatusOr<uint32_t> id =
      queues_.New(argument.flags, argument.prio);
  if (!id.ok()) return Result(id.status());
  argument.id = *id;
  return 0;
}

absl::StatusOr<uint32_t> MsmContext::ObjectFlags(uint32_t guest_flags) const {
  const uint32_t flags = guest_flags & kGemNewFlags;
  const uint32_t caching = flags & MSM_BO_CACHE_MASK;
  if (caching == MSM_BO_WC && replaces_write_combined_) {
    return (flags & ~MSM_BO_CACHE_MASK) | MSM_BO_CACHED_COHERENT;
  }
  // Attack stopped: the host's log flooded. Before Linux 6.8 the driver has a
  // line in it for whatever else it is asked (UNCACHED, too).
  if (caching != MSM_BO_WC && caching != MSM_BO_CACHED &&
      (caching != MSM_BO_CACHED_COHERENT || !has_cached_coherent_)) {
    return ErrnoStatus(EINVAL, absl::StrCat("GEM_NEW with flags ", flags));
  }
  return flags;
}

absl::Status MsmContext::Run(const vdrm_ccmd_req&, const GemNewCcmd& ccmd) {
  file_->Sweep();
  RETURN_IF_ERROR(objects_.CheckPending(ccmd.blob_id));
  ASSIGN_OR_RETURN(const uint32_t flags, ObjectFlags(ccmd.flags));
  ASSIGN_OR_RETURN(std::shared_ptr<GemObject> object,
                   file_->New(ccmd.size, flags, ccmd.iova));
  objects_.AddPending(ccmd.blob_id, std::move(object));
  return absl::OkStatus();
}

absl::Status MsmContext::Run(const vdrm_ccmd_req&, const GemSetIovaCcmd& ccmd) {
  ASSIGN_OR_RETURN(GemObject* const object, objects_.Find(ccmd.res_id));
  return object->SetIova(ccmd.iova);
}

absl::Status MsmContext::Run(const vdrm_ccmd_req& header,
                             const GemCpuPrepCcmd& ccmd) {
  const absl::StatusOr<GemObject*> object = objects_.Find(ccmd.res_id);
  if (!object.ok()) return RespondResult(header, object.status());
  if ((ccmd.op & ~kPrepOps) != 0) {
    return RespondResult(header, ErrnoStatus(EINVAL, "GEM_CPU_PREP"));
  }
  // Drivers without the boost refuse the bit, which is only a hint.
  const uint32_t op =
      has_wait_boost_ ? ccmd.op : ccmd.op & ~uint32_t{MSM_PREP_BOOST};
  return RespondResult(header, (*object)->CpuPrep(op));
}

absl::Status MsmContext::Run(const vdrm_ccmd_req&, const GemSetNameCcmd& ccmd) {
  // A name is for humans: that it could not be set is no lost context.
  const absl::StatusOr<GemObject*> object = objects_.Find(ccmd.res_id);
  if (!object.ok()) return absl::OkStatus();
  file_->drm()
      .GemSetName((*object)->handle(), CString(ccmd.name, kMaxGemName, name_))
      .IgnoreError();
  return absl::OkStatus();
}

inline absl::Status MsmContext::Submit(const SubmitRequest& request,
                                       uint32_t ring, uint32_t bytes) {
  absl::StatusOr<Fd> fence = file_->Submit(request);
  if (ABSL_PREDICT_FALSE(!fence.ok())) {
    return OnRefusedSubmit(ring, bytes, fence.status());
  }
  queues_.Submitted(ring, request, *std::move(fence));
  counters_.submits.Add();
  counters_.submit_bos.Add(request.bos.size());
  return absl::OkStatus();
}

absl::Status MsmContext::Run(const vdrm_ccmd_req& header,
                             const GemSubmitCcmd& ccmd) {
  file_->Sweep();
  // The virtio header names a ring only where the guest wants a fence.
  uint32_t ring = 0;
  RETURN_IF_ERROR(queues_.GetRing(ccmd.queue_id, ring));
  SubmitRequest request;
  RETURN_IF_ERROR(TranslateSubmit(ccmd, objects_, request));
  if (ABSL_PREDICT_FALSE(checks_submits_)) {
    RETURN_IF_ERROR(CheckSubmit(ccmd, request, objects_, version_minor_));
  }
  request.fence_out = ring == fence_ring_;
  const uint32_t bytes = UnfinishedWork::BytesOf(header.len);
  if (ABSL_PREDICT_FALSE(!work_.Take(ring, bytes))) {
    return TakeMoreAndSubmit(request, ring, bytes);
  }
  return Submit(request, ring, bytes);
}

absl::Status MsmContext::TakeMoreAndSubmit(const SubmitRequest& request,
                                           uint32_t ring, uint32_t bytes) {
  const auto make_fence = [this](uint32_t behind) {
    return queues_.FenceUnfinished(behind);
  };
  ASSIGN_OR_RETURN(const bool wants_checkpoint,
                   work_.TakeMore(ring, bytes, make_fence));
  absl::Status status = Submit(request, ring, bytes);
  if (wants_checkpoint || !status.ok()) work_.AddCheckpoint(ring, make_fence);
  return status;
}

absl::Status MsmContext::OnRefusedSubmit(uint32_t ring, uint32_t bytes,
                                         absl::Status error) {
  work_.GiveBack(ring, bytes);
  if (StatusErrno(error) != EINVAL) return error;
  checks_submits_ = true;
  refused_submits_.Add();
  return error;
}

absl::Status MsmContext::Run(const vdrm_ccmd_req&, const GemUploadCcmd& ccmd) {
  ASSIGN_OR_RETURN(GemObject* const object, objects_.Find(ccmd.res_id));
  return object->Upload(ccmd.off, ccmd.data);
}

absl::Status MsmContext::Run(const vdrm_ccmd_req& header,
                             const SubmitqueueQueryCcmd& ccmd) {
  struct {
    msm_ccmd_submitqueue_query_rsp head;
    std::array<uint8_t, kMaxQueryBytes> payload;
  } response{};
  const uint32_t size = std::min(ccmd.len, kMaxQueryBytes);
  const std::span<uint8_t> bytes =
      AsWritableBytes(response).first(sizeof(response.head) + size);
  ASSIGN_OR_RETURN(const Shmem::Slot slot,
                   ReserveResponse(header, bytes.size()));
  const absl::StatusOr<uint32_t> filled = queues_.Query(
      ccmd.queue_id, ccmd.param, std::span(response.payload).first(size));
  response.head.ret = Result(filled.status());
  response.head.out_len = filled.ok() ? *filled : 0;
  shmem_->Respond(slot, bytes);
  return absl::OkStatus();
}

absl::Status MsmContext::Run(const vdrm_ccmd_req& header,
                             const WaitFenceCcmd& ccmd) {
  const absl::Status result =
      queues_.WaitFence(ccmd.queue_id, ccmd.fence,
                        has_wait_boost_ ? uint32_t{MSM_WAIT_FENCE_BOOST} : 0);
  // After a wait, guests ask whether the context was lost.
  if (result.ok()) faults_->OnWait();
  absl::Status responded = RespondResult(header, result);
  if (result.ok()) file_->Sweep();
  return responded;
}

absl::Status MsmContext::Run(const vdrm_ccmd_req&,
                             const SetDebuginfoCcmd& ccmd) {
  // For the kernel's logs; older drivers do not know it.
  DrmFile& drm = file_->drm();
  std::string name;
  drm.SetParamString(MSM_PARAM_COMM, CString(ccmd.comm, kMaxComm, name))
      .IgnoreError();
  drm.SetParamString(MSM_PARAM_CMDLINE,
                     CString(ccmd.cmdline, kMaxCmdline, name))
      .IgnoreError();
  return absl::OkStatus();
}

}  // namespace nacre::msm
