#include "tools/preload/msm/msm_node.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/dma_buf.h"

namespace nacre::preload {
namespace {

// An object's mmap offset: its handle, above all sizes. 0 is no offset: Mesa
// takes it for an error.
constexpr int kHandleShift = 36;

const IoctlTable& Ioctls() {
  static const IoctlTable table({MsmIoctls(), MsmSubmitIoctls()});
  return table;
}

}  // namespace

MsmNode::MsmNode(MsmGpu& gpu)
    : RenderNode(Ioctls()), gpu_(gpu), file_(gpu.device().OpenFile()) {}

DriverVersion MsmNode::version() const {
  const msm::DriverVersion version = gpu_.device().version();
  return {.major = version.major,
          .minor = version.minor,
          .patchlevel = version.patchlevel,
          .name = "msm",
          .date = "20130625",
          .description = "MSM Snapdragon DRM"};
}

absl::Status MsmNode::CloseObject(uint32_t handle) {
  return WithFile(
      [&](simulator::SimulatedFile& file) { return file.GemClose(handle); });
}

absl::StatusOr<RenderNode::Exported> MsmNode::ExportObject(uint32_t handle) {
  ASSIGN_OR_RETURN(Fd fd, WithFile([&](simulator::SimulatedFile& file) {
                     return file.GemExport(handle);
                   }));
  return Exported{.fd = std::move(fd), .file = std::make_shared<DmaBuf>()};
}

absl::StatusOr<uint32_t> MsmNode::ImportObject(int fd) {
  return WithFile(
      [&](simulator::SimulatedFile& file) { return file.GemImport(fd); });
}

uint64_t MsmNode::OffsetOf(uint32_t handle) {
  return uint64_t{handle} << kHandleShift;
}

absl::StatusOr<void*> MsmNode::Map(const MapRequest& request) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const msm::GemMemory memory,
                   MemoryAt(request.offset, request.length));
  void* const mapping =
      mmap(request.address, request.length, request.protection, request.flags,
           memory.fd, static_cast<off_t>(memory.offset));
  if (mapping == MAP_FAILED) return ErrnoStatus("mmap of a GEM object");
  return mapping;
}

absl::StatusOr<msm::GemMemory> MsmNode::MemoryAt(uint64_t offset,
                                                 size_t length) {
  const auto handle = static_cast<uint32_t>(offset >> kHandleShift);
  const absl::StatusOr<uint64_t> size = file_->GemGetSize(handle);
  if (!size.ok() || OffsetOf(handle) != offset || length > *size) {
    return ErrnoStatus(
        EINVAL, absl::StrFormat("mmap of %d bytes at %#x", length, offset));
  }
  return file_->GemGetMemory(handle);
}

}  // namespace nacre::preload
