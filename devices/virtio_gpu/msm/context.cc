#include "devices/virtio_gpu/msm/context.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/gem_blob.h"

namespace nacre::msm {
namespace {

constexpr uint64_t kShmemBlobId = 0;

// MSM_WAIT_FENCE_BOOST and MSM_PREP_BOOST exist from here on.
constexpr uint32_t kMinorWithWaitBoost = 11;

// Attack stopped: contexts made for one submit that the driver refuses, with a
// line in the host's log: beyond so many every one is checked from its start.
constexpr uint64_t kRefusedSubmits = 10;

// Of the ccmds in a SUBMIT_3D.
ABSL_ATTRIBUTE_NOINLINE absl::Status CheckCount(
    std::span<const uint8_t> commands) {
  CcmdReader reader(commands);
  size_t count = 0;
  const auto handle = [&](const vdrm_ccmd_req&, const auto&) { ++count; };
  while (reader.Next(handle)) {
    if (count > kMaxCcmds) {
      return absl::ResourceExhaustedError(
          absl::StrCat("SUBMIT_3D of more than ", kMaxCcmds, " ccmds"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

MsmContext::MsmContext(std::shared_ptr<DrmFile> drm,
                       const ContextEnvironment& environment)
    : counters_(environment.counters),
      refused_submits_(environment.refused_submits),
      limits_(environment.limits),
      version_minor_(environment.version_minor),
      has_wait_boost_(version_minor_ >= kMinorWithWaitBoost),
      has_cached_coherent_(environment.has_cached_coherent),
      replaces_write_combined_(environment.guests_always_cached &&
                               environment.device.CachingOf(MSM_BO_WC) !=
                                   CpuCaching::kCached),
      file_(std::make_shared<GemFile>(std::move(drm), environment.device,
                                      environment.busy, environment.counters,
                                      limits_)),
      queues_(file_->drm(), environment.priorities, limits_.max_submitqueues,
              environment.counters),
      work_(environment.unfinished),
      checks_submits_(refused_submits_.value() >= kRefusedSubmits),
      faults_(std::make_shared<FaultReporter>(file_->drm())) {
  counters_.contexts.Add();
  counters_.contexts_created.Add();
}

MsmContext::~MsmContext() {
  faults_->Stop();
  work_.End([this](uint32_t ring) { return queues_.FenceUnfinished(ring); });
  counters_.contexts.Subtract();
}

absl::Status MsmContext::Submit(std::span<const uint8_t> commands,
                                std::optional<uint8_t> fence_ring) {
  absl::Status first_error;
  fence_ring_ = fence_ring;
  if (ABSL_PREDICT_FALSE(commands.size() > kMaxCcmds * sizeof(vdrm_ccmd_req))) {
    if (absl::Status status = CheckCount(commands); !status.ok()) {
      ShowError(std::move(status), first_error);
      commands = {};
    }
  }
  CcmdReader reader(commands);
  while (reader.Next([&](const vdrm_ccmd_req& header, const auto& request) {
    counters_.ccmds[header.cmd < MSM_CCMD_LAST ? header.cmd : 0].Add();
    if (absl::Status status = Run(header, request);
        ABSL_PREDICT_FALSE(!status.ok())) {
      ShowError(std::move(status), first_error);
    }
    if (shmem_) shmem_->PublishSeqno(header.seqno);
  }) && ABSL_PREDICT_TRUE(!cancelled_.load(std::memory_order_relaxed))) {
  }
  file_->EndCommand();
  if (ABSL_PREDICT_FALSE(!reader.rest().empty())) {
    ShowRest(reader.rest().size(), first_error);
  }
  if (fence_ring) {
    if (absl::Status status = queues_.MakeFence(*fence_ring); !status.ok()) {
      ShowError(std::move(status), first_error);
    }
  }
  faults_->OnCommands();
  return first_error;
}

void MsmContext::ShowError(absl::Status error, absl::Status& first) {
  counters_.async_errors.Add();
  if (shmem_) shmem_->AddAsyncError();
  if (first.ok()) first = std::move(error);
}

void MsmContext::ShowRest(size_t bytes, absl::Status& first) {
  if (bytes >= sizeof(vdrm_ccmd_req)) return;  // Cancelled.
  counters_.malformed.Add();
  ShowError(absl::InvalidArgumentError("ccmd stream ends within a header"),
            first);
}

absl::StatusOr<Fd> MsmContext::FenceRing(uint8_t ring_idx) {
  if (ring_idx >= Submitqueues::kRings) {
    return absl::InvalidArgumentError(absl::StrCat("ring ", ring_idx));
  }
  return queues_.TakeFence(ring_idx);
}

absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> MsmContext::CreateBlob(
    const virtio_gpu::BlobRequest& request) {
  if (request.blob_id == kShmemBlobId) return CreateShmem(request);
  std::shared_ptr<GemObject> object = objects_.TakePending(request.blob_id);
  if (object == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("blob_id ", request.blob_id, " has no GEM_NEW"));
  }
  ASSIGN_OR_RETURN(object, GrowToGuestPages(std::move(object), request.size));
  if (object->size() != request.size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "blob of ", request.size, " bytes for an object of ", object->size()));
  }
  RETURN_IF_ERROR(objects_.Attach(request.resource_id, object));
  return std::make_unique<GemBlob>(std::move(object), request.mappable,
                                   request.shareable || request.cross_device);
}

absl::StatusOr<std::shared_ptr<GemObject>> MsmContext::GrowToGuestPages(
    std::shared_ptr<GemObject> object, uint64_t blob_size) {
  // GEM_NEW carries the size that Mesa wants, CREATE_BLOB the one that the
  // guest's kernel made of it.
  const bool is_rounded = std::any_of(
      std::begin(kPageSizes), std::end(kPageSizes), [&](uint64_t page) {
        return CheckedAlignUp(object->size(), page) == blob_size;
      });
  if (!is_rounded || object->size() == blob_size) return object;
  const uint32_t flags = object->flags();
  const uint64_t iova = object->iova();
  // It is idle: no submit could name it. In a file with a busy object that is
  // only known if asked, and else it would be kept, with its address.
  object->ReleaseIdleIova();
  object.reset();
  // Mesa aligns addresses to the guest's pages, so that there is room.
  absl::StatusOr<std::shared_ptr<GemObject>> grown =
      file_->New(blob_size, flags, iova);
  file_->EndCommand();
  return grown;
}

absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> MsmContext::CreateShmem(
    const virtio_gpu::BlobRequest& request) {
  // A second one would leave the guest polling the first.
  if (shmem_resource_ != 0) {
    return absl::AlreadyExistsError(absl::StrCat(
        "the context has control memory, resource ", shmem_resource_));
  }
  // Counted first: other contexts may be here at the same time.
  if (!counters_.control_memories.AddUpTo(limits_.max_control_memories)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(limits_.max_control_memories, " control memories exist"));
  }
  absl::Cleanup uncount = [this] { counters_.control_memories.Subtract(); };
  ASSIGN_OR_RETURN(Shmem shmem, Shmem::Create(request.size));
  ASSIGN_OR_RETURN(std::unique_ptr<virtio_gpu::Blob> blob,
                   shmem.MakeBlob(request.mappable, counters_));
  std::move(uncount).Cancel();
  faults_->SetShmem(nullptr);
  shmem_.emplace(std::move(shmem));
  shmem_resource_ = request.resource_id;
  // Reports faults: Mesa compares with what it finds here first.
  faults_->SetShmem(&*shmem_);
  return blob;
}

absl::Status MsmContext::AttachResource(uint32_t resource_id,
                                        virtio_gpu::Blob& blob) {
  if (resource_id == shmem_resource_ || objects_.attached(resource_id)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Fd dmabuf, blob.Export());
  absl::StatusOr<std::shared_ptr<GemObject>> object =
      file_->Import(dmabuf.get(), blob.size());
  file_->EndCommand();
  RETURN_IF_ERROR(object.status());
  return objects_.Attach(resource_id, *std::move(object));
}

void MsmContext::DetachResource(uint32_t resource_id) {
  if (resource_id == shmem_resource_) {
    // Our mapping stays: commands that are under way still publish there.
    shmem_resource_ = 0;
    return;
  }
  const std::shared_ptr<GemObject> object = objects_.Detach(resource_id);
  if (object == nullptr) return;
  // Turnip closes buffers without giving their addresses back, and the object
  // may live on in its blob. One that the GPU works on, after its program was
  // killed, keeps its address: there is nobody to use it again.
  object->ReleaseIdleIova();
}

}  // namespace nacre::msm
