#include "simulator/buffer_pool.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/file_status.h"
#include "base/mapping.h"
#include "base/status_macros.h"

namespace nacre::simulator {

absl::StatusOr<std::shared_ptr<Buffer>> BufferPool::Allocate(uint64_t size,
                                                             uint32_t flags) {
  const std::optional<uint64_t> pages = CheckedAlignUp(size, page_size_);
  if (!pages) return ErrnoStatus(ENOMEM, absl::StrCat("a buffer of ", size));
  RETURN_IF_ERROR(Charge(*pages));
  absl::StatusOr<Fd> memfd = CreateMemfd("msm-gem", *pages);
  if (!memfd.ok()) {
    Refund(*pages);
    return memfd.status();
  }
  return std::make_shared<Buffer>(*this, *std::move(memfd), *pages, flags);
}

absl::StatusOr<Fd> BufferPool::Export(const std::shared_ptr<Buffer>& buffer) {
  struct stat file = {};
  if (FileStatus(buffer->fd(), &file) != 0) return ErrnoStatus("fstat(buffer)");
  ASSIGN_OR_RETURN(Fd copy, buffer->memfd_.Duplicate());
  MutexLock lock(mutex_);
  buffer->identity_ = {file.st_dev, file.st_ino};
  shared_[*buffer->identity_] = buffer;
  return copy;
}

absl::StatusOr<std::shared_ptr<Buffer>> BufferPool::Import(int dmabuf) {
  struct stat file = {};
  if (FileStatus(dmabuf, &file) != 0) return ErrnoStatus("fstat(dma-buf)");
  const Identity identity{file.st_dev, file.st_ino};
  {
    MutexLock lock(mutex_);
    const auto known = shared_.find(identity);
    if (known != shared_.end()) {
      if (std::shared_ptr<Buffer> buffer = known->second.lock()) return buffer;
    }
  }
  const int seals = fcntl(dmabuf, F_GET_SEALS);
  const uint64_t size = static_cast<uint64_t>(file.st_size);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || size == 0 ||
      !IsAligned(size, page_size_)) {
    return ErrnoStatus(EINVAL,
                       "import of what is no sealed memfd of whole pages");
  }
  Fd memfd(fcntl(dmabuf, F_DUPFD_CLOEXEC, 0));
  if (!memfd.valid()) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC, dma-buf)");
  RETURN_IF_ERROR(Charge(size));
  auto buffer =
      std::make_shared<Buffer>(*this, std::move(memfd), size, /*flags=*/0);
  std::shared_ptr<Buffer> first;
  {
    MutexLock lock(mutex_);
    std::weak_ptr<Buffer>& known = shared_[identity];
    // Another file may have imported it meanwhile; then both are that one.
    first = known.lock();
    if (first == nullptr) {
      buffer->identity_ = identity;
      known = buffer;
    }
  }
  return first != nullptr ? first : buffer;
}

BufferPool::Usage BufferPool::usage() const {
  MutexLock lock(mutex_);
  return usage_;
}

absl::Status BufferPool::Charge(uint64_t size) {
  MutexLock lock(mutex_);
  if (!RangeFits(usage_.bytes, size, memory_limit_)) {
    return ErrnoStatus(
        ENOMEM, absl::StrCat("a buffer of ", size, " bytes with ", usage_.bytes,
                             " of ", memory_limit_, " in use"));
  }
  usage_.bytes += size;
  ++usage_.buffers;
  usage_.bytes_peak = std::max(usage_.bytes_peak, usage_.bytes);
  usage_.buffers_peak = std::max(usage_.buffers_peak, usage_.buffers);
  return absl::OkStatus();
}

void BufferPool::Refund(uint64_t size) {
  MutexLock lock(mutex_);
  usage_.bytes -= size;
  --usage_.buffers;
}

void BufferPool::OnDestroyed(const Buffer& buffer) {
  Refund(buffer.size());
  MutexLock lock(mutex_);
  if (!buffer.identity_) return;
  const auto known = shared_.find(*buffer.identity_);
  // An import may already have put a new buffer of this memory there.
  if (known != shared_.end() && known->second.expired()) shared_.erase(known);
}

}  // namespace nacre::simulator
