#include "devices/virtio_gpu/msm/gem.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/mutex.h"
#include "base/shrink.h"
#include "base/status_macros.h"

namespace nacre::msm {

GemObject::GemObject(std::shared_ptr<GemFile> file, Origin origin,
                     uint32_t handle, uint64_t size, uint32_t flags)
    : file_(std::move(file)),
      origin_(origin),
      handle_(handle),
      size_(size),
      flags_(flags) {
  Counters& counters = file_->counters_;
  if (origin_ == Origin::kCreated) {
    counters.objects_created.Add();
    file_->object_bytes_ += size_;
  } else {
    counters.objects_imported.Add();
  }
}

GemObject::~GemObject() {
  if (in_shared_) {
    file_->shared_.erase(handle_);
    ShrinkIfSparse(file_->shared_);
  }
  if (mapped_for_upload_) file_->uploads_.Drop(handle_);
  if (origin_ == Origin::kCreated) file_->object_bytes_ -= size_;
  // Of one that others have open, too, GEM_SUBMIT may have chosen an address.
  file_->busy_.Close(
      {.drm = file_->drm_,
       .handle = handle_,
       .iova = iova_,
       .may_have_iova = may_have_iova_ || in_shared_,
       .size = size_,
       .is_counted = origin_ == Origin::kCreated,
       // Others may have given work to what was exported.
       .known_idle = was_idle_ && (origin_ == Origin::kImported || !in_shared_),
       .is_shared = in_shared_});
}

CpuCaching GemObject::caching() const {
  return file_->device_.CachingOf(flags_);
}

absl::Status GemObject::SetIova(uint64_t iova) {
  // Turnip sets after GEM_NEW what GEM_NEW had set.
  if (iova == 0 ? !may_have_iova_ : iova == iova_) return absl::OkStatus();
  if (!file_->CountMoved(size_)) return file_->TooManyMoved(size_);
  if (iova != 0) {
    // Over another address the kernel drops that one, fails with EBUSY, and
    // writes a warning with a stack trace to its log. We do without it. The
    // other may be one that we do not know of: GEM_SUBMIT gives an address to
    // each object that has none.
    const bool had_one = iova_ != 0;
    RETURN_IF_ERROR(ChangeIova(0));
    if (had_one) {
      return ErrnoStatus(EBUSY, "SET_IOVA of an object that has an address");
    }
  }
  return ChangeIova(iova);
}

absl::Status GemObject::ChangeIova(uint64_t iova) {
  // The kernel may drop the old address and still fail.
  iova_ = 0;
  may_have_iova_ = true;
  RETURN_IF_ERROR(file_->drm_->GemSetIova(handle_, iova));
  iova_ = iova;
  may_have_iova_ = iova != 0;
  return absl::OkStatus();
}

void GemObject::ReleaseIdleIova() {
  was_idle_ = !BusyObjects::IsBusy(*file_->drm_, handle_);
  if (was_idle_ && may_have_iova_) ChangeIova(0).IgnoreError();
}

absl::Status GemObject::CpuPrep(uint32_t op) {
  if (!file_->MayMeetBusy()) return ErrnoAnswer(EBUSY);
  absl::Status status = file_->drm_->GemCpuPrep(handle_, op);
  if (!status.ok() && StatusErrno(status) == EBUSY) {
    ++file_->command_.busy_answers;
  }
  return status;
}

absl::Status GemObject::Upload(uint32_t offset, std::span<const uint8_t> data) {
  if (!RangeFits(offset, data.size(), size_)) {
    return absl::OutOfRangeError(absl::StrCat("upload of ", data.size(),
                                              " bytes at ", offset,
                                              " to an object of ", size_));
  }
  if (data.empty()) return absl::OkStatus();
  uint8_t* memory = file_->uploads_.Find(handle_);
  if (memory == nullptr) {
    ASSIGN_OR_RETURN(const GemMemory source, GetMemory());
    ASSIGN_OR_RETURN(
        Mapping mapping,
        Mapping::Shared(source.fd, source.offset, static_cast<size_t>(size_)));
    memory = mapping.data();
    file_->uploads_.Add(handle_, std::move(mapping));
    mapped_for_upload_ = true;
  }
  std::memcpy(memory + offset, data.data(), data.size());
  file_->counters_.upload_bytes.Add(data.size());
  return absl::OkStatus();
}

absl::StatusOr<GemMemory> GemObject::GetMemory() {
  return file_->drm_->GemGetMemory(handle_);
}

absl::StatusOr<Fd> GemObject::Export() {
  ASSIGN_OR_RETURN(Fd dmabuf, file_->drm_->GemExport(handle_));
  if (!in_shared_) {
    file_->shared_.emplace(handle_, this);
    in_shared_ = true;
  }
  return dmabuf;
}

absl::StatusOr<std::shared_ptr<DrmFile>> OpenCounted(DrmDevice& device,
                                                     Counters& counters,
                                                     const Limits& limits) {
  // Counted first: opening may take its time, and others open meanwhile.
  if (!counters.files.AddUpTo(limits.max_files)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(counters.files.value(), " msm contexts are open: at most ",
                     limits.max_files));
  }
  absl::StatusOr<std::unique_ptr<DrmFile>> file = device.Open();
  if (!file.ok()) {
    counters.files.Subtract();
    return std::move(file).status();
  }
  return std::shared_ptr<DrmFile>(file->release(), [&counters](DrmFile* drm) {
    delete drm;
    counters.files.Subtract();
  });
}

GemFile::GemFile(std::shared_ptr<DrmFile> drm, const DrmDevice& device,
                 BusyObjects& busy, Counters& counters, const Limits& limits)
    : drm_(std::move(drm)),
      device_(device),
      busy_(busy),
      counters_(counters),
      limits_(limits) {}

absl::StatusOr<Fd> GemFile::SubmitShared(const SubmitRequest& request) {
  const SharedLock lock(busy_.submits_of_shared());
  return drm_->GemSubmit(request);
}

absl::StatusOr<std::shared_ptr<GemObject>> GemFile::New(uint64_t size,
                                                        uint32_t flags,
                                                        uint64_t iova) {
  // Turnip sends sizes that are no multiple of a page, for blobs that are.
  const std::optional<uint64_t> rounded =
      CheckedAlignUp(size, device_.page_size());
  if (!rounded || *rounded == 0) {
    return ErrnoStatus(EINVAL, absl::StrCat("GEM_NEW of ", size, " bytes"));
  }
  const uint64_t most_here = limits_.max_context_object_bytes;
  if (object_bytes_ > most_here || *rounded > most_here - object_bytes_) {
    return ErrnoStatus(
        ENOMEM, absl::StrCat("GEM_NEW of ", size, " bytes with ", object_bytes_,
                             " taken by the context: at most ", most_here));
  }
  // Counted first: other contexts may be here at the same time.
  if (!Reserve(*rounded)) {
    return ErrnoStatus(
        ENOMEM,
        absl::StrCat("GEM_NEW of ", size, " bytes with ",
                     counters_.object_bytes.value(), " taken in ",
                     counters_.objects.value(),
                     " handles of all contexts: at most ",
                     limits_.max_object_bytes, " in ", limits_.max_objects));
  }
  const absl::StatusOr<uint32_t> handle = drm_->GemNew(*rounded, flags);
  if (!handle.ok()) {
    Unreserve(*rounded);
    return handle.status();
  }
  std::shared_ptr<GemObject> object(new GemObject(shared_from_this(),
                                                  GemObject::Origin::kCreated,
                                                  *handle, *rounded, flags));
  // A new one has none.
  if (iova != 0) RETURN_IF_ERROR(object->ChangeIova(iova));
  return object;
}

absl::Status GemFile::TooManyMoved(uint64_t bytes) const {
  return ErrnoStatus(ENOSPC,
                     absl::StrCat("SET_IOVA of ", bytes, " bytes after ",
                                  command_.moved_bytes, " in one SUBMIT_3D"));
}

bool GemFile::Reserve(uint64_t bytes) {
  if (ReserveNow(bytes)) return true;
  if (std::exchange(command_.has_made_room, true)) return false;
  // Of programs that ended, for one.
  busy_.SweepMore(drm_.get());
  return ReserveNow(bytes);
}

bool GemFile::ReserveNow(uint64_t bytes) {
  if (!counters_.objects.AddUpTo(limits_.max_objects)) return false;
  if (bytes == 0 ||
      counters_.object_bytes.AddUpTo(limits_.max_object_bytes, bytes)) {
    return true;
  }
  counters_.objects.Subtract();
  return false;
}

void GemFile::Unreserve(uint64_t bytes) {
  counters_.objects.Subtract();
  counters_.object_bytes.Subtract(bytes);
}

absl::StatusOr<std::shared_ptr<GemObject>> GemFile::Import(int dmabuf,
                                                           uint64_t size) {
  // Before it is made: the handle may be one of BusyObjects', not to be closed.
  if (!Reserve(0)) {
    return ErrnoStatus(
        ENOMEM, absl::StrCat("an import with ", counters_.objects.value(),
                             " handles of all contexts: at most ",
                             limits_.max_objects));
  }
  const absl::StatusOr<uint32_t> made = drm_->GemImport(dmabuf);
  if (!made.ok()) {
    Unreserve(0);
    return made.status();
  }
  const uint32_t handle = *made;
  if (const auto known = shared_.find(handle); known != shared_.end()) {
    Unreserve(0);
    known->second->was_idle_ = false;
    return known->second->shared_from_this();
  }
  std::shared_ptr<GemObject> object(new GemObject(
      shared_from_this(), GemObject::Origin::kImported, handle, size, 0));
  if (const std::optional<BusyObjects::Object> busy =
          busy_.Reclaim(*drm_, handle)) {
    // It comes back with the address it had.
    object->iova_ = busy->iova;
    object->may_have_iova_ = busy->may_have_iova;
  }
  shared_.emplace(handle, object.get());
  object->in_shared_ = true;
  // Uploads go by what a blob says of itself, of whatever context type it is.
  ASSIGN_OR_RETURN(const uint64_t bytes, drm_->GemGetSize(handle));
  if (bytes < size) {
    return absl::InvalidArgumentError(
        absl::StrCat("a blob of ", size, " bytes in a dma-buf of ", bytes));
  }
  return object;
}

}  // namespace nacre::msm
