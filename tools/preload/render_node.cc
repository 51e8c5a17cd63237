#include "tools/preload/render_node.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "tools/preload/ioctl_table.h"

namespace nacre::preload {
namespace {

// An object's mmap offset: its handle, above all sizes. 0 is no offset: Mesa
// takes it for an error.
constexpr int kHandleShift = 36;

constexpr uint32_t kDrmType = 'd';

uint32_t Field(uint32_t request, int shift, uint32_t mask) {
  return request >> shift & mask;
}

const IoctlEntry* FindEntry(uint32_t request) {
  const uint32_t number = Field(request, _IOC_NRSHIFT, _IOC_NRMASK);
  for (const std::span<const IoctlEntry> table :
       {MsmIoctls(), SubmitIoctls(), SyncobjIoctls(), CoreIoctls()}) {
    for (const IoctlEntry& entry : table) {
      if (Field(entry.request, _IOC_NRSHIFT, _IOC_NRMASK) == number) {
        return &entry;
      }
    }
  }
  return nullptr;
}

}  // namespace

RenderNode::RenderNode(Gpu& gpu) : gpu_(gpu), file_(gpu.device().OpenFile()) {}

// drm_ioctl: matched by number; the argument is zero-extended or cut to the
// size that the driver knows, and copied back also with an error.
absl::Status RenderNode::Ioctl(uint32_t request, void* argument) {
  if (Field(request, _IOC_TYPESHIFT, _IOC_TYPEMASK) != kDrmType) {
    return ErrnoStatus(ENOTTY, absl::StrFormat("ioctl %#x", request));
  }
  const IoctlEntry* const entry = FindEntry(request);
  if (entry == nullptr) {
    constexpr int kMaxLines = 20;
    LOG_FIRST_N(WARNING, kMaxLines) << absl::StrFormat(
        "msm preload: DRM ioctl %#x is not simulated", request);
    return ErrnoStatus(EINVAL, absl::StrFormat("ioctl %#x", request));
  }
  const size_t size = Field(request, _IOC_SIZESHIFT, _IOC_SIZEMASK);
  const uint32_t both = request & entry->request;
  const bool in = (both & IOC_IN) != 0;
  const bool out = (both & IOC_OUT) != 0;

  alignas(8) std::array<uint8_t, kMaxIoctlSize> copy{};
  const size_t copied = std::min(size, copy.size());
  if (in) std::memcpy(copy.data(), argument, copied);
  absl::Status status = entry->answer(*this, copy.data());
  if (out) std::memcpy(argument, copy.data(), copied);
  return status;
}

uint64_t RenderNode::OffsetOf(uint32_t handle) {
  return uint64_t{handle} << kHandleShift;
}

absl::StatusOr<msm::GemMemory> RenderNode::MemoryAt(uint64_t offset,
                                                    size_t length) {
  const uint64_t handle = offset >> kHandleShift;
  const absl::StatusOr<uint64_t> size =
      file_->GemGetSize(static_cast<uint32_t>(handle));
  if (!size.ok() || OffsetOf(static_cast<uint32_t>(handle)) != offset ||
      length > *size) {
    return ErrnoStatus(
        EINVAL, absl::StrFormat("mmap of %d bytes at %#x", length, offset));
  }
  return file_->GemGetMemory(static_cast<uint32_t>(handle));
}

}  // namespace nacre::preload
