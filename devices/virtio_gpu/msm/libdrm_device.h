#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_LIBDRM_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_LIBDRM_DEVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/drm_device.h"

namespace nacre::msm {

// How the files below reach the kernel; a test puts a kernel of its own here.
class DrmIoctl {
 public:
  virtual ~DrmIoctl() = default;
  // ioctl(2), repeated on EINTR and EAGAIN: 0, or -1 with errno set.
  virtual int Call(int fd, uint32_t request, void* argument) = 0;

  // The kernel itself (libdrm's drmIoctl).
  static DrmIoctl& Kernel();
};

// Opens `path`, a render node. Errors: one line; NotFound and PermissionDenied
// say what to do.
absl::StatusOr<Fd> OpenRenderNode(const std::string& path);

// The request codes of every ioctl that LibdrmDevice and its files make: what a
// process that runs them must be allowed.
extern const std::span<const uint32_t> kLibdrmIoctls;

// The msm DRM driver behind a render node of the host, for instance
// /dev/dri/renderD128. Thread-safe, outlives its files.
class LibdrmDevice final : public DrmDevice {
 public:
  // Opens `path` for a moment to look at its driver. Errors are one line:
  // NotFound, PermissionDenied, or FailedPrecondition where `path` is no DRM
  // node or its driver is not msm (which names the driver found). `ioctl` must
  // outlive the result. `open` opens the node for a process that cannot, and
  // `path` is then its name in messages; by default it is OpenRenderNode.
  using NodeOpener = std::function<absl::StatusOr<Fd>()>;
  static absl::StatusOr<std::unique_ptr<LibdrmDevice>> Create(
      const std::string& path, DrmIoctl& ioctl = DrmIoctl::Kernel(),
      NodeOpener open = {});

  DriverVersion version() const override { return version_; }
  uint64_t page_size() const override { return HostPageSize(); }
  CpuCaching CachingOf(uint32_t flags) const override;
  absl::StatusOr<std::unique_ptr<DrmFile>> Open() override;

 private:
  LibdrmDevice(NodeOpener open, DrmIoctl& ioctl, DriverVersion version)
      : open_(std::move(open)), ioctl_(ioctl), version_(version) {}

  const NodeOpener open_;
  DrmIoctl& ioctl_;
  const DriverVersion version_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_LIBDRM_DEVICE_H_
