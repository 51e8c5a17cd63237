#include "simulator/simulated_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "simulator/register_file.h"

namespace nacre::simulator {
namespace {

// One ring with the drm scheduler's three levels.
constexpr uint32_t kPriorities = 3;
constexpr uint32_t kDefaultPriority = 1;

absl::Status NoHandle(int error, uint32_t handle) {
  return ErrnoStatus(error, absl::StrCat("GEM handle ", handle));
}

}  // namespace

SimulatedFile::SimulatedFile(FileHost& host, uint64_t id)
    : host_(host),
      state_(std::make_shared<FileState>(id, host.chip().va_start,
                                         host.chip().va_size,
                                         host.buffers().page_size())) {
  queues_[next_queue_id_++] = std::make_shared<SubmitQueue>(kDefaultPriority);
}

SimulatedFile::~SimulatedFile() {
  state_->closed.store(true, std::memory_order_relaxed);
  host_.OnFileClosed();
}

absl::StatusOr<uint64_t> SimulatedFile::GetParam(uint32_t param) {
  const Chip& chip = host_.chip();
  switch (param) {
    case msm::MSM_PARAM_GPU_ID:
      return chip.gpu_id;
    case msm::MSM_PARAM_GMEM_SIZE:
      return chip.gmem_size;
    case msm::MSM_PARAM_CHIP_ID:
      return chip.chip_id;
    case msm::MSM_PARAM_MAX_FREQ:
      return chip.max_freq;
    case msm::MSM_PARAM_TIMESTAMP:
      return AlwaysOnCounter();
    case msm::MSM_PARAM_GMEM_BASE:
      return chip.gmem_base;
    case msm::MSM_PARAM_PRIORITIES:
      return kPriorities;
    case msm::MSM_PARAM_PP_PGTABLE:
      return 0;
    case msm::MSM_PARAM_FAULTS:
      return host_.global_faults() + state_->faults.load();
    case msm::MSM_PARAM_SUSPENDS:
      return 0;  // This GPU is never powered down.
    case msm::MSM_PARAM_VA_START:
      return chip.va_start;
    case msm::MSM_PARAM_VA_SIZE:
      return chip.va_size;
    case msm::MSM_PARAM_HIGHEST_BANK_BIT:
      return chip.highest_bank_bit;
    case msm::MSM_PARAM_RAYTRACING:
      return chip.raytracing ? 1 : 0;
    case msm::MSM_PARAM_UBWC_SWIZZLE:
      return chip.ubwc_swizzle;
    case msm::MSM_PARAM_MACROTILE_MODE:
      return chip.macrotile_mode;
    default:
      return ErrnoStatus(EINVAL, absl::StrFormat("GET_PARAM %#x", param));
  }
}

absl::Status SimulatedFile::SetParamString(uint32_t param,
                                           const std::string& value) {
  // The names are for the kernel's logs, which this has none of.
  const bool is_string =
      param == msm::MSM_PARAM_COMM || param == msm::MSM_PARAM_CMDLINE;
  if (!is_string || value.size() > host_.buffers().page_size()) {
    return ErrnoStatus(EINVAL, absl::StrFormat("SET_PARAM %#x, %d bytes", param,
                                               value.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> SimulatedFile::GemNew(uint64_t size, uint32_t flags) {
  constexpr uint32_t kFlags =
      msm::MSM_BO_SCANOUT | msm::MSM_BO_GPU_READONLY | msm::MSM_BO_CACHE_MASK;
  const uint32_t caching = flags & msm::MSM_BO_CACHE_MASK;
  const bool caching_valid = caching == msm::MSM_BO_WC ||
                             caching == msm::MSM_BO_CACHED ||
                             (caching == msm::MSM_BO_CACHED_COHERENT &&
                              host_.chip().has_cached_coherent);
  if ((flags & ~kFlags) != 0 || !caching_valid || size == 0) {
    return ErrnoStatus(
        EINVAL, absl::StrFormat("GEM_NEW of %d bytes, flags %#x", size, flags));
  }
  ASSIGN_OR_RETURN(std::shared_ptr<Buffer> buffer,
                   host_.buffers().Allocate(size, flags));
  return handles_.Insert(std::move(buffer));
}

absl::Status SimulatedFile::GemClose(uint32_t handle) {
  if (handles_.Remove(handle) == nullptr) return NoHandle(EINVAL, handle);
  return absl::OkStatus();
}

absl::Status SimulatedFile::GemSetIova(uint32_t handle, uint64_t iova) {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return state_->space->Assign(buffer, iova);
}

absl::Status SimulatedFile::GemSetName(uint32_t handle,
                                       const std::string& name) {
  constexpr size_t kNameSize = 32;  // With the kernel's final NUL.
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  if (name.size() >= kNameSize) {
    return ErrnoStatus(EINVAL,
                       absl::StrCat("SET_NAME of ", name.size(), " bytes"));
  }
  // Cut at what cannot be printed.
  buffer->set_name({name.begin(), std::find_if_not(name.begin(), name.end(),
                                                   absl::ascii_isprint)});
  return absl::OkStatus();
}

absl::Status SimulatedFile::GemCpuPrep(uint32_t handle, uint32_t op) {
  constexpr uint32_t kOps = msm::MSM_PREP_READ | msm::MSM_PREP_WRITE |
                            msm::MSM_PREP_NOSYNC | msm::MSM_PREP_BOOST;
  if ((op & ~kOps) != 0) {
    return ErrnoStatus(EINVAL, absl::StrFormat("CPU_PREP op %#x", op));
  }
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  const bool write = (op & msm::MSM_PREP_WRITE) != 0;
  if (buffer->reservation().Busy(write ? Reservation::Use::kWrite
                                       : Reservation::Use::kRead)) {
    return ErrnoStatus(EBUSY, "CPU_PREP");
  }
  return absl::OkStatus();
}

absl::StatusOr<msm::GemMemory> SimulatedFile::GemGetMemory(uint32_t handle) {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return msm::GemMemory{.fd = buffer->fd(), .offset = 0};
}

absl::StatusOr<uint64_t> SimulatedFile::GemGetSize(uint32_t handle) {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return buffer->size();
}

absl::StatusOr<Fd> SimulatedFile::GemExport(uint32_t handle) {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return host_.buffers().Export(buffer);
}

absl::StatusOr<uint32_t> SimulatedFile::GemImport(int dmabuf) {
  ASSIGN_OR_RETURN(std::shared_ptr<Buffer> buffer,
                   host_.buffers().Import(dmabuf));
  return handles_.Insert(std::move(buffer));
}

absl::StatusOr<uint64_t> SimulatedFile::GemGetIova(uint32_t handle) {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return state_->space->AddressOf(buffer);
}

absl::StatusOr<uint32_t> SimulatedFile::GemGetFlags(uint32_t handle) const {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  if (buffer->flags() == 0) return NoHandle(EINVAL, handle);
  return buffer->flags();
}

absl::StatusOr<std::string> SimulatedFile::GemGetName(uint32_t handle) const {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return buffer->name();
}

absl::Status SimulatedFile::GemSetMetadata(uint32_t handle,
                                           std::vector<uint8_t> metadata) {
  constexpr size_t kMaxMetadata = 128;
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  if (metadata.size() > kMaxMetadata) {
    return ErrnoStatus(EOVERFLOW, "SET_METADATA");
  }
  buffer->set_metadata(std::move(metadata));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint8_t>> SimulatedFile::GemGetMetadata(
    uint32_t handle) const {
  const std::shared_ptr<Buffer> buffer = handles_.Find(handle);
  if (buffer == nullptr) return NoHandle(ENOENT, handle);
  return buffer->metadata();
}

absl::Status SimulatedFile::CheckSubmit(uint32_t flags,
                                        uint32_t queue_id) const {
  RETURN_IF_ERROR(CheckSubmitFlags(flags));
  if (FindQueue(queue_id) == nullptr) {
    return ErrnoStatus(ENOENT, absl::StrCat("submitqueue ", queue_id));
  }
  return absl::OkStatus();
}

absl::StatusOr<Fd> SimulatedFile::GemSubmit(const msm::SubmitRequest& request) {
  RETURN_IF_ERROR(CheckSubmit(request.flags, request.queue_id));
  if ((request.flags & msm::MSM_SUBMIT_FENCE_FD_IN) != 0) {
    return ErrnoStatus(EINVAL, "FENCE_FD_IN without a descriptor");
  }
  ASSIGN_OR_RETURN(Prepared prepared, Prepare(request));
  Fd pollable;
  if (request.fence_out) {
    ASSIGN_OR_RETURN(pollable, prepared.job->fence->Pollable());
  }
  RETURN_IF_ERROR(
      host_.Submit(std::move(prepared.job), prepared.uses, request.fence)
          .status());
  return pollable;
}

absl::StatusOr<SimulatedFile::Submitted> SimulatedFile::Submit(
    const msm::SubmitRequest& request, FenceSet dependencies) {
  RETURN_IF_ERROR(CheckSubmit(request.flags, request.queue_id));
  ASSIGN_OR_RETURN(Prepared prepared, Prepare(request));
  const std::shared_ptr<Fence> fence = prepared.job->fence;
  // Its own FIFO's are done before it anyway.
  absl::erase_if(dependencies, [&fence](const std::shared_ptr<Fence>& other) {
    return other->context() == fence->context();
  });
  prepared.job->dependencies = std::move(dependencies);
  std::optional<uint32_t> chosen;
  if ((request.flags & msm::MSM_SUBMIT_FENCE_SN_IN) != 0) {
    chosen = request.fence;
  }
  ASSIGN_OR_RETURN(const uint32_t number, host_.Submit(std::move(prepared.job),
                                                       prepared.uses, chosen));
  return Submitted{.fence_number = number, .fence = fence};
}

absl::StatusOr<SimulatedFile::Prepared> SimulatedFile::Prepare(
    const msm::SubmitRequest& request) {
  ASSIGN_OR_RETURN(Submission submission,
                   PrepareSubmission(request, handles_, *state_->space));

  auto job = std::make_unique<Job>();
  job->file = state_;
  job->queue = FindQueue(request.queue_id);
  job->buffers = std::move(submission.buffers);
  job->commands = std::move(submission.commands);
  // One FIFO for each (file, priority), whatever the queue.
  job->fence =
      std::make_shared<Fence>(state_->id * kPriorities + job->queue->prio());
  return Prepared{.job = std::move(job), .uses = std::move(submission.uses)};
}

absl::Status SimulatedFile::WaitFence(uint32_t queue_id, uint32_t fence,
                                      uint32_t flags) {
  if ((flags & ~msm::MSM_WAIT_FENCE_BOOST) != 0) {
    return ErrnoStatus(EINVAL, absl::StrFormat("WAIT_FENCE flags %#x", flags));
  }
  const std::shared_ptr<SubmitQueue> queue = FindQueue(queue_id);
  if (queue == nullptr) {
    return ErrnoStatus(ENOENT, absl::StrCat("submitqueue ", queue_id));
  }
  return queue->Wait(fence);
}

absl::StatusOr<uint32_t> SimulatedFile::SubmitqueueNew(uint32_t flags,
                                                       uint32_t prio) {
  // 6.12 knows no flag (ALLOW_PREEMPT came later).
  if (flags != 0 || prio >= kPriorities) {
    return ErrnoStatus(EINVAL, absl::StrFormat("SUBMITQUEUE_NEW flags %#x, "
                                               "prio %d of 0..%d",
                                               flags, prio, kPriorities - 1));
  }
  if (queues_.size() >= kMaxSubmitQueues) {
    return ErrnoStatus(
        ENOMEM, absl::StrCat("more than ", kMaxSubmitQueues, " submitqueues"));
  }
  const uint32_t id = next_queue_id_++;
  queues_[id] = std::make_shared<SubmitQueue>(prio);
  return id;
}

absl::Status SimulatedFile::SubmitqueueClose(uint32_t id) {
  const bool is_default = id == 0;
  if (is_default || queues_.erase(id) == 0) {
    return ErrnoStatus(ENOENT, absl::StrCat("submitqueue ", id));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> SimulatedFile::SubmitqueueQuery(
    uint32_t id, uint32_t param, std::span<uint8_t> out) {
  const std::shared_ptr<SubmitQueue> queue = FindQueue(id);
  if (queue == nullptr) {
    return ErrnoStatus(ENOENT, absl::StrCat("submitqueue ", id));
  }
  if (param != msm::MSM_SUBMITQUEUE_PARAM_FAULTS) {
    return ErrnoStatus(EINVAL, absl::StrCat("SUBMITQUEUE_QUERY ", param));
  }
  const uint32_t faults = queue->faults();
  const size_t size = std::min(out.size(), sizeof(faults));
  if (size != 0) std::memcpy(out.data(), &faults, size);
  return static_cast<uint32_t>(size);
}

std::shared_ptr<SubmitQueue> SimulatedFile::FindQueue(uint32_t id) const {
  const auto queue = queues_.find(id);
  return queue != queues_.end() ? queue->second : nullptr;
}

}  // namespace nacre::simulator
