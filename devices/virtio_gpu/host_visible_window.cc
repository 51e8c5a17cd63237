#include "devices/virtio_gpu/host_visible_window.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// The window lies one page behind a multiple of this, see the header.
constexpr uint64_t kAlignment = uint64_t{2} << 20;

}  // namespace

absl::StatusOr<HostVisibleWindow> HostVisibleWindow::Create(
    uint64_t size, const Limits& limits, uint64_t page_size) {
  CHECK(IsPowerOfTwo(page_size) && page_size >= HostPageSize()) << page_size;
  if (size == 0) return HostVisibleWindow(Mapping(), limits, page_size);
  if (!IsPowerOfTwo(size) || size < page_size) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "host-visible window of %u bytes: a power of two of at least %u, or 0",
        size, page_size));
  }
  ASSIGN_OR_RETURN(Mapping memory,
                   Mapping::Anonymous(size + page_size, kAlignment));
  return HostVisibleWindow(std::move(memory), limits, page_size);
}

absl::Status HostVisibleWindow::Map(uint64_t offset, uint64_t size,
                                    const BlobMemory& blob) {
  if (size == 0 || !IsAligned(offset, page_size_) ||
      !IsAligned(size, page_size_)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%u bytes at %#x of the window: must be whole pages of the host, %u "
        "bytes each",
        size, offset, page_size_));
  }
  const std::span<uint8_t> window = host();
  if (!RangeFits(offset, size, window.size())) {
    return absl::OutOfRangeError(absl::StrFormat(
        "%u bytes at %#x leave the window of %u", size, offset, window.size()));
  }
  const auto next = mappings_.lower_bound(offset);
  if ((next != mappings_.end() && next->first < offset + size) ||
      (next != mappings_.begin() &&
       std::prev(next)->first + std::prev(next)->second > offset)) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "%u bytes at %#x of the window overlap a mapping", size, offset));
  }
  if (mappings_.size() >= max_mapped_blobs_) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%u blobs are mapped: at most %u", mappings_.size(),
                        max_mapped_blobs_));
  }
  if (size > max_mapped_bytes_ - std::min(mapped_bytes_, max_mapped_bytes_)) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("mapping %u bytes with %u mapped: at most %u", size,
                        mapped_bytes_, max_mapped_bytes_));
  }
  // MAP_FIXED would take away what is there before it asks the file's driver:
  // where that refuses, a vCPU would find a hole, which may end the VM.
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                            blob.fd, static_cast<off_t>(blob.offset));
  if (memory == MAP_FAILED) return ErrnoStatus("mapping a blob");
  if (mremap(memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
             window.data() + offset) == MAP_FAILED) {
    absl::Status status = ErrnoStatus("moving a blob into the window");
    munmap(memory, size);
    // Where memory for it ran out half way there is a hole all the same.
    if (const absl::Status restored = RestoreAnonymous(offset, size);
        !restored.ok()) {
      LOG(ERROR) << restored;
    }
    return status;
  }
  mappings_.emplace_hint(next, offset, size);
  mapped_bytes_ += size;
  return absl::OkStatus();
}

absl::Status HostVisibleWindow::Unmap(uint64_t offset) {
  const auto it = mappings_.find(offset);
  if (it == mappings_.end()) {
    return absl::NotFoundError(
        absl::StrFormat("nothing is mapped at %#x of the window", offset));
  }
  RETURN_IF_ERROR(RestoreAnonymous(offset, it->second));
  mapped_bytes_ -= it->second;
  mappings_.erase(it);
  return absl::OkStatus();
}

absl::Status HostVisibleWindow::Clear() {
  if (host().empty()) return absl::OkStatus();
  const absl::Status status = RestoreAnonymous(0, host().size());
  // Blob by blob, where all at once is too much for the host.
  std::erase_if(mappings_, [&](const auto& mapping) {
    const auto [offset, size] = mapping;
    if (!status.ok() && !RestoreAnonymous(offset, size).ok()) return false;
    mapped_bytes_ -= size;
    return true;
  });
  if (!mappings_.empty()) return status;
  // Fails where the first try has left a hole, as older kernels may.
  if (!status.ok() &&
      madvise(host().data(), host().size(), MADV_DONTNEED) != 0) {
    return ErrnoStatus("emptying the host-visible window");
  }
  return absl::OkStatus();
}

absl::Status HostVisibleWindow::RestoreAnonymous(uint64_t offset,
                                                 uint64_t size) {
  if (mmap(host().data() + offset, size, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    return ErrnoStatus("emptying a part of the host-visible window");
  }
  return absl::OkStatus();
}

}  // namespace nacre::virtio_gpu
