#include "devices/virtio_gpu/msm/libdrm_device.h"

#include <drm.h>
#include <fcntl.h>
#include <unistd.h>
#include <xf86drm.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/libdrm_file.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

class KernelIoctl final : public DrmIoctl {
 public:
  int Call(int fd, uint32_t request, void* argument) override {
    return drmIoctl(fd, request, argument);
  }
};

constexpr uint32_t kIoctls[] = {
    DRM_IOCTL_VERSION,
    DRM_IOCTL_GEM_CLOSE,
    DRM_IOCTL_PRIME_HANDLE_TO_FD,
    DRM_IOCTL_PRIME_FD_TO_HANDLE,
    DRM_IOCTL_MSM_GET_PARAM,
    DRM_IOCTL_MSM_SET_PARAM,
    DRM_IOCTL_MSM_GEM_NEW,
    DRM_IOCTL_MSM_GEM_INFO,
    DRM_IOCTL_MSM_GEM_CPU_PREP,
    DRM_IOCTL_MSM_GEM_SUBMIT,
    DRM_IOCTL_MSM_WAIT_FENCE,
    DRM_IOCTL_MSM_SUBMITQUEUE_NEW,
    DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE,
    DRM_IOCTL_MSM_SUBMITQUEUE_QUERY,
};

}  // namespace

const std::span<const uint32_t> kLibdrmIoctls = kIoctls;

absl::StatusOr<Fd> OpenRenderNode(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.valid()) return fd;
  const int error = errno;
  const absl::Status status = ErrnoStatus(error, path);
  if (error == ENOENT) {
    return absl::NotFoundError(
        absl::StrCat(status.message(),
                     ": a render node such as /dev/dri/renderD128 is "
                     "needed"));
  }
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(
        absl::StrCat(status.message(),
                     ": run as a user of the node's group (often "
                     "\"render\")"));
  }
  return status;
}

DrmIoctl& DrmIoctl::Kernel() {
  static KernelIoctl kernel;
  return kernel;
}

absl::StatusOr<std::unique_ptr<LibdrmDevice>> LibdrmDevice::Create(
    const std::string& path, DrmIoctl& ioctl, NodeOpener open) {
  if (!open) open = [path] { return OpenRenderNode(path); };
  ASSIGN_OR_RETURN(const Fd fd, open());
  std::array<char, 64> name{};
  drm_version version{};
  version.name = name.data();
  version.name_len = name.size();
  if (ioctl.Call(fd.get(), DRM_IOCTL_VERSION, &version) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(ErrnoStatus(path).message(),
                     ": not a DRM node; a render node such as "
                     "/dev/dri/renderD128 is needed"));
  }
  // The kernel returns the whole length, however much it copied.
  const std::string driver(name.data(),
                           std::min<size_t>(version.name_len, name.size()));
  if (driver != "msm") {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": its driver is ", driver,
                     "; the render node of an Adreno, driver msm, is needed"));
  }
  return std::unique_ptr<LibdrmDevice>(new LibdrmDevice(
      std::move(open), ioctl,
      DriverVersion{
          .major = static_cast<uint32_t>(version.version_major),
          .minor = static_cast<uint32_t>(version.version_minor),
          .patchlevel = static_cast<uint32_t>(version.version_patchlevel)}));
}

// msm_gem.c, msm_gem_pgprot: the GPU looks into CPU caches for CACHED_COHERENT
// alone. CACHED it leaves to the program to clean them, and everything else
// (imports too, and UNCACHED while there was such a thing) is write-combined.
CpuCaching LibdrmDevice::CachingOf(uint32_t flags) const {
  const uint32_t caching = flags & MSM_BO_CACHE_MASK;
  return caching == MSM_BO_CACHED || caching == MSM_BO_CACHED_COHERENT
             ? CpuCaching::kCached
             : CpuCaching::kWriteCombined;
}

absl::StatusOr<std::unique_ptr<DrmFile>> LibdrmDevice::Open() {
  ASSIGN_OR_RETURN(Fd fd, open_());
  return std::make_unique<LibdrmFile>(std::move(fd), ioctl_);
}

}  // namespace nacre::msm
