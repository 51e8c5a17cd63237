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

absl::Status GpuServices::MapRegion(uint64_t offset, uint64_t size,
                                    uint64_t file_offset, int file) {
  RETURN_IF_ERROR(CheckFile(file, file_offset, size));
  return window_.Map(offset, size, {.fd = file, .offset = file_offset});
}

absl::Status GpuServices::CheckFile(int file, uint64_t offset,
                                    uint64_t size) const {
  struct stat status;
  if (fstat(file, &status) != 0) return ErrnoStatus("fstat");
  if (S_ISCHR(status.st_mode) && node_number_ &&
      status.st_rdev == *node_number_) {
    return absl::OkStatus();
  }
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
  return window_.Unmap(offset);
}

absl::Status GpuServices::ClearRegion() { return window_.Clear(); }

absl::StatusOr<Fd> GpuServices::OpenNode() {
  if (node_.empty()) {
    return absl::FailedPreconditionError("a simulated GPU has no render node");
  }
  ASSIGN_OR_RETURN(Fd fd, msm::OpenRenderNode(node_));
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return ErrnoStatus("fstat");
  node_number_ = status.st_rdev;
  return fd;
}

}  // namespace nacre
