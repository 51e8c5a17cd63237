#include "nacre/gpu_services.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"

namespace nacre {
namespace {

// Not of huge pages, which may run out under a mapping.
bool IsMemfdThatCannotShrink(int file) {
  struct statfs file_system;
  const int seals = fcntl(file, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 &&
         fstatfs(file, &file_system) == 0 && file_system.f_type == TMPFS_MAGIC;
}

}  // namespace

GpuServices::~GpuServices() { ClearRegion().IgnoreError(); }

absl::Status GpuServices::MapRegion(uint64_t offset, uint64_t size,
                                    uint64_t file_offset, int file) {
  struct stat status;
  if (fstat(file, &status) != 0) return ErrnoStatus("fstat");
  RETURN_IF_ERROR(CheckFile(status, file, file_offset, size));
  SlowFd node;
  if (IsNode(status)) {
    node = SlowFd(Fd(fcntl(file, F_DUPFD_CLOEXEC, 0)));
    if (!node.valid()) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC)");
  }
  RETURN_IF_ERROR(
      window_.Map(offset, size, {.fd = file, .offset = file_offset}));
  if (node.valid()) mapped_nodes_[offset] = std::move(node);
  return absl::OkStatus();
}

bool GpuServices::IsNode(const struct stat& status) const {
  return S_ISCHR(status.st_mode) && node_number_ &&
         status.st_rdev == *node_number_;
}

absl::Status GpuServices::CheckFile(const struct stat& status, int file,
                                    uint64_t offset, uint64_t size) const {
  if (IsNode(status)) return absl::OkStatus();
  if (!S_ISREG(status.st_mode) || !IsMemfdThatCannotShrink(file)) {
    return absl::PermissionDeniedError(
        "only a memfd sealed against shrinking, or the render node, may be "
        "mapped into the window");
  }
  if (!RangeFits(offset, size, static_cast<uint64_t>(status.st_size))) {
    return absl::OutOfRangeError(absl::StrFormat(
        "%u bytes at %u of a file of %u", size, offset, status.st_size));
  }
  return absl::OkStatus();
}

absl::Status GpuServices::UnmapRegion(uint64_t offset) {
  RETURN_IF_ERROR(window_.Unmap(offset));
  mapped_nodes_.erase(offset);
  return absl::OkStatus();
}

absl::Status GpuServices::ClearRegion() {
  RETURN_IF_ERROR(window_.Clear());
  mapped_nodes_.clear();
  return absl::OkStatus();
}

absl::StatusOr<Fd> GpuServices::OpenNode() {
  if (node_.empty()) {
    return absl::FailedPreconditionError("a simulated GPU has no render node");
  }
  RETURN_IF_ERROR(StartSlowCloser());
  ASSIGN_OR_RETURN(Fd fd, msm::OpenRenderNode(node_));
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return ErrnoStatus("fstat");
  node_number_ = status.st_rdev;
  return fd;
}

}  // namespace nacre
