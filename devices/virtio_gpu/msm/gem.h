#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_GEM_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_GEM_H_

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/busy_objects.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/upload_mappings.h"

namespace nacre::msm {

class GemFile;

// A GEM handle of a file, shared by those who name it: the context's table, the
// blob of the resource. The last one to let go closes the handle and gives its
// address back, once the GPU is done with it.
class GemObject : public std::enable_shared_from_this<GemObject> {
 public:
  ~GemObject();
  GemObject(const GemObject&) = delete;
  GemObject& operator=(const GemObject&) = delete;

  uint32_t handle() const { return handle_; }
  // Bytes, a multiple of DrmDevice::page_size().
  uint64_t size() const { return size_; }
  // The MSM_BO_* flags it was made with; 0 for an imported one.
  uint32_t flags() const { return flags_; }
  // How the driver maps it, for CPUs.
  CpuCaching caching() const;

  // Its address in the file's address space; 0 gives it back. Setting what is
  // set already succeeds, as in the kernel. ENOSPC where one SUBMIT_3D changes
  // more than if it took away all that its context may have, and set all that
  // there may be.
  absl::Status SetIova(uint64_t iova);
  uint64_t iova() const { return iova_; }
  // Gives the address back unless the GPU works on the object.
  void ReleaseIdleIova();
  // GEM_CPU_PREP with MSM_PREP_* `op`: EBUSY while the GPU works on the object.
  // Also where a SUBMIT_3D had that answer too often: guests ask again, each
  // time in another one.
  absl::Status CpuPrep(uint32_t op);
  // Copies `data` to `offset`. OutOfRange beyond the end. GemFile::EndCommand
  // is to follow, after this upload or several.
  absl::Status Upload(uint32_t offset, std::span<const uint8_t> data);
  absl::StatusOr<GemMemory> GetMemory();
  absl::StatusOr<Fd> Export();

 private:
  friend class GemFile;
  enum class Origin { kCreated, kImported };

  // Of a handle that is counted.
  GemObject(std::shared_ptr<GemFile> file, Origin origin, uint32_t handle,
            uint64_t size, uint32_t flags);

  absl::Status ChangeIova(uint64_t iova);

  const std::shared_ptr<GemFile> file_;
  const Origin origin_;
  const uint32_t handle_;
  const uint64_t size_;
  const uint32_t flags_;
  uint64_t iova_ = 0;  // What the kernel certainly has, or 0.
  bool may_have_iova_ = false;
  bool mapped_for_upload_ = false;
  bool was_idle_ = false;   // When it was detached.
  bool in_shared_ = false;  // Listed in GemFile::shared_, from then on.
};

// A file of `device`, in `counters` as long as it is open. ResourceExhausted
// where the limit's number of files are. All outlive it.
absl::StatusOr<std::shared_ptr<DrmFile>> OpenCounted(DrmDevice& device,
                                                     Counters& counters,
                                                     const Limits& limits = {});

// An open render node and its GEM objects. Lives as long as its context and any
// object: a blob may be exported and mapped after its context is gone.
class GemFile : public std::enable_shared_from_this<GemFile> {
 public:
  // `drm` is a file of `device`; all but `drm` outlive it.
  GemFile(std::shared_ptr<DrmFile> drm, const DrmDevice& device,
          BusyObjects& busy, Counters& counters, const Limits& limits = {});
  GemFile(const GemFile&) = delete;
  GemFile& operator=(const GemFile&) = delete;

  DrmFile& drm() { return *drm_; }
  // After the ccmds of a SUBMIT_3D, or any other command.
  void EndCommand() {
    uploads_.End();
    command_ = {};
  }
  // BusyObjects::Sweep, of the file's objects, too.
  void Sweep() {
    if (ABSL_PREDICT_FALSE(busy_.has_objects()) && MayMeetBusy() &&
        busy_.Sweep(drm_.get())) {
      ++command_.busy_answers;
    }
  }

  // `size` is rounded up to pages. With `iova` not 0 the object has that
  // address. EINVAL for no bytes, ENOMEM beyond the limits, or what the driver
  // says.
  absl::StatusOr<std::shared_ptr<GemObject>> New(uint64_t size, uint32_t flags,
                                                 uint64_t iova);
  // GEM_SUBMIT of the file's objects.
  absl::StatusOr<Fd> Submit(const SubmitRequest& request) {
    if (ABSL_PREDICT_FALSE(!shared_.empty())) return SubmitShared(request);
    return drm_->GemSubmit(request);
  }
  // The object behind a dma-buf of `size` bytes; InvalidArgument where the
  // driver knows of fewer. One that is open in this file is not made twice, as
  // the kernel gives no second handle for it either.
  absl::StatusOr<std::shared_ptr<GemObject>> Import(int dmabuf, uint64_t size);

 private:
  friend class GemObject;

  // Of one SUBMIT_3D. Attack stopped: minutes of it, by 100,000 questions about
  // an object that is busy: each may take a tick (see BusyObjects).
  static constexpr uint8_t kBusyAnswers = 16;

  ABSL_ATTRIBUTE_NOINLINE absl::StatusOr<Fd> SubmitShared(
      const SubmitRequest& request);
  // Attack stopped: minutes of a SUBMIT_3D, by taking away and setting the
  // address of a large object, which the driver unmaps and maps anew, in it or
  // in a GEM_SUBMIT between.
  bool CountMoved(uint64_t bytes) {
    if (ABSL_PREDICT_FALSE(bytes > limits_.max_context_object_bytes +
                                       limits_.max_object_bytes -
                                       command_.moved_bytes)) {
      return false;
    }
    command_.moved_bytes += bytes;
    return true;
  }
  ABSL_ATTRIBUTE_NOINLINE absl::Status TooManyMoved(uint64_t bytes) const;
  bool MayMeetBusy() const { return command_.busy_answers < kBusyAnswers; }
  // Counts a handle, and the bytes of a new object; false where there is no
  // room for them.
  bool Reserve(uint64_t bytes);
  bool ReserveNow(uint64_t bytes);
  void Unreserve(uint64_t bytes);

  const std::shared_ptr<DrmFile> drm_;
  const DrmDevice& device_;
  BusyObjects& busy_;
  Counters& counters_;
  const Limits limits_;
  uint64_t object_bytes_ = 0;  // Of objects that were created and exist.
  UploadMappings uploads_;
  // What the command under way had. Attack stopped: its time, by looking for
  // room at each ccmd of a SUBMIT_3D.
  struct {
    bool has_made_room = false;
    uint8_t busy_answers = 0;
    uint64_t moved_bytes = 0;
  } command_;
  // Objects that have a dma-buf, by handle: those an import can meet again.
  absl::flat_hash_map<uint32_t, GemObject*> shared_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_GEM_H_
