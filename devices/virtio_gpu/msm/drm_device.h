#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_DRM_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_DRM_DEVICE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

// What the msm context asks of the host's msm DRM driver: the kernel's UAPI
// (include/uapi/drm/msm_drm.h) as typed calls. LibdrmDevice makes the ioctls on
// a real render node; simulator::SimulatedDevice answers them itself, as the
// kernel would, errno for errno.
//
// Errors are what the kernel answers, made by ErrnoStatus, so that
// StatusErrno(status) is the errno to give to the guest. No call waits for the
// GPU, but GemCpuPrep for a moment and, from Linux 6.17 on, GemClose and a
// file's destructor for work on the objects: BusyObjects puts both off until
// that is done. A DrmFile is used by one thread at a time, but for GetParam,
// which any thread may call meanwhile; different ones of one device at the same
// time.

// Where to mmap a GEM object, from its start, all of it or less: a real node
// refuses places within. `fd` is borrowed and stays valid as long as the handle
// (or, on a real node, the file).
struct GemMemory {
  int fd = -1;
  uint64_t offset = 0;
};

// GEM_SUBMIT. The arrays are the caller's, copied by the call.
struct SubmitRequest {
  uint32_t flags = 0;  // MSM_PIPE_3D0 and the MSM_SUBMIT_* flags to pass.
  uint32_t queue_id = 0;
  // The fence number to use (MSM_SUBMIT_FENCE_SN_IN is always added); the
  // caller's to keep unique on the queue, 1..INT32_MAX.
  uint32_t fence = 0;
  std::span<const drm_msm_gem_submit_bo> bos;
  std::span<const drm_msm_gem_submit_cmd> cmds;
  bool fence_out = true;  // MSM_SUBMIT_FENCE_FD_OUT.
};

// An open render node: its GEM handles, one GPU address space, its
// submitqueues. Destroying it closes all of them.
class DrmFile {
 public:
  virtual ~DrmFile() = default;

  // GET_PARAM on pipe 3D0.
  virtual absl::StatusOr<uint64_t> GetParam(uint32_t param) = 0;
  // SET_PARAM COMM and CMDLINE: names for the kernel's logs.
  virtual absl::Status SetParamString(uint32_t param,
                                      const std::string& value) = 0;

  // GEM_NEW with MSM_BO_* flags; returns the handle.
  virtual absl::StatusOr<uint32_t> GemNew(uint64_t size, uint32_t flags) = 0;
  virtual absl::Status GemClose(uint32_t handle) = 0;
  // GEM_INFO SET_IOVA; 0 releases.
  virtual absl::Status GemSetIova(uint32_t handle, uint64_t iova) = 0;
  // GEM_INFO SET_NAME.
  virtual absl::Status GemSetName(uint32_t handle, const std::string& name) = 0;
  // GEM_CPU_PREP, always with NOSYNC: EBUSY instead of waiting. Before Linux
  // 6.16, and its stable releases of July 2025, that answer comes after a tick
  // of the kernel's clock only (dma_resv_wait_timeout took 0 for 1).
  virtual absl::Status GemCpuPrep(uint32_t handle, uint32_t op) = 0;
  // GEM_INFO GET_OFFSET.
  virtual absl::StatusOr<GemMemory> GemGetMemory(uint32_t handle) = 0;
  // The object's size in bytes (DrmDevice::page_size multiple), also of
  // imported ones.
  virtual absl::StatusOr<uint64_t> GemGetSize(uint32_t handle) = 0;
  // PRIME_HANDLE_TO_FD: a dma-buf. PRIME_FD_TO_HANDLE: importing a dma-buf
  // that is open in this file returns its handle, not counted twice.
  virtual absl::StatusOr<Fd> GemExport(uint32_t handle) = 0;
  virtual absl::StatusOr<uint32_t> GemImport(int dmabuf) = 0;

  // GEM_SUBMIT, also of nothing, which is done when what came before is.
  // Returns the out-fence, a sync_file that polls readable when the work is
  // done, or an invalid Fd where none was asked for.
  virtual absl::StatusOr<Fd> GemSubmit(const SubmitRequest& request) = 0;
  // WAIT_FENCE with a deadline in the past: ETIMEDOUT instead of waiting.
  // `flags` may have MSM_WAIT_FENCE_BOOST.
  virtual absl::Status WaitFence(uint32_t queue_id, uint32_t fence,
                                 uint32_t flags) = 0;

  virtual absl::StatusOr<uint32_t> SubmitqueueNew(uint32_t flags,
                                                  uint32_t prio) = 0;
  virtual absl::Status SubmitqueueClose(uint32_t id) = 0;
  // SUBMITQUEUE_QUERY: fills up to out.size() bytes, returns how many.
  virtual absl::StatusOr<uint32_t> SubmitqueueQuery(uint32_t id, uint32_t param,
                                                    std::span<uint8_t> out) = 0;
};

// DRM_IOCTL_VERSION.
struct DriverVersion {
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t patchlevel = 0;
};

// How a CPU of the host accesses a GEM object's memory through a mapping that
// the driver made.
enum class CpuCaching { kCached, kWriteCombined };

// A GPU: opens files on it. Thread-safe, outlives its files.
class DrmDevice {
 public:
  virtual ~DrmDevice() = default;
  virtual DriverVersion version() const = 0;
  // PAGE_SIZE of the driver's kernel: GEM_NEW rounds up to it, SET_IOVA takes
  // multiples of it (msm_gem.c, msm_gem_vma.c; the GPU's own MMU would take
  // less). At least HostPageSize().
  virtual uint64_t page_size() const = 0;
  // For an object made with MSM_BO_* `flags`.
  virtual CpuCaching CachingOf(uint32_t flags) const = 0;
  virtual absl::StatusOr<std::unique_ptr<DrmFile>> Open() = 0;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_DRM_DEVICE_H_
