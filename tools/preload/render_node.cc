#include "tools/preload/render_node.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "glog/logging.h"

namespace nacre::preload {
namespace {

constexpr uint32_t kDrmType = 'd';

uint32_t Field(uint32_t request, int shift, uint32_t mask) {
  return request >> shift & mask;
}

absl::Status UnknownIoctl(uint32_t request) {
  constexpr int kMaxLines = 20;
  LOG_FIRST_N(WARNING, kMaxLines) << absl::StrFormat(
      "nacre preload: DRM ioctl %#x is not simulated", request);
  return ErrnoStatus(EINVAL, absl::StrFormat("ioctl %#x", request));
}

}  // namespace

IoctlTable::IoctlTable(
    std::initializer_list<std::span<const IoctlEntry>> driver) {
  const auto add = [this](std::span<const IoctlEntry> part) {
    for (const IoctlEntry& entry : part) {
      const IoctlEntry*& found =
          entries_[Field(entry.request, _IOC_NRSHIFT, _IOC_NRMASK)];
      CHECK(found == nullptr) << "two ioctls of one number";
      found = &entry;
    }
  };
  add(CoreIoctls());
  add(SyncobjIoctls());
  for (const std::span<const IoctlEntry> part : driver) add(part);
}

// drm_ioctl: matched by number; the argument is zero-extended or cut to the
// size that the driver knows, and copied back also with an error.
absl::Status RenderNode::Ioctl(uint32_t request, void* argument) {
  if (Field(request, _IOC_TYPESHIFT, _IOC_TYPEMASK) != kDrmType) {
    return ErrnoStatus(ENOTTY, absl::StrFormat("ioctl %#x", request));
  }
  const IoctlEntry* const entry = ioctls_.Find(request);
  if (entry == nullptr) return UnknownIoctl(request);
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

// drm_read, of a file without events. (Non-blocking: nothing would end it.)
absl::StatusOr<size_t> RenderNode::Read(void* /*bytes*/, size_t /*size*/) {
  return ErrnoStatus(EAGAIN, "read of a render node without events");
}

}  // namespace nacre::preload
