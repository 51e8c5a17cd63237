#include "tools/preload/virtgpu/virtgpu_object.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/errno_status.h"
#include "base/page_size.h"
#include "base/status_macros.h"

namespace nacre::preload {

absl::StatusOr<void*> VirtgpuObject::Map(const OpenFile::MapRequest& request) {
  // The kernel maps whole pages, whatever length is asked for.
  const uint64_t page = HostPageSize();
  const uint64_t length = (request.length + page - 1) / page * page;
  if (request.offset != 0 || length != blob_->size() ||
      (request.flags & MAP_TYPE) == MAP_PRIVATE) {
    return ErrnoStatus(EINVAL, "mmap of a part of a blob, or a private one");
  }
  const absl::StatusOr<guest_kernel::MappedBlob> blob = blob_->WaitMapped();
  if (!blob.ok()) return ErrnoStatus(EINVAL, blob.status().message());
  // Of a shared mapping, mremap from size 0 makes another of the same pages.
  const bool fixed =
      (request.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
  void* const mapping =
      mremap(blob->address, 0, length,
             MREMAP_MAYMOVE | (fixed ? MREMAP_FIXED : 0), request.address);
  if (mapping == MAP_FAILED) return ErrnoStatus("mremap of the window");
  constexpr int kWindow = PROT_READ | PROT_WRITE;
  if (request.protection != kWindow &&
      mprotect(mapping, length, request.protection) != 0) {
    const absl::Status status = ErrnoStatus("mprotect");
    munmap(mapping, length);
    return status;
  }
  return mapping;
}

absl::StatusOr<Fd> VirtgpuObject::NewDmaBufFd() {
  MutexLock lock(mutex_);
  if (!dma_buf_.valid()) {
    // For its size alone: nothing is ever written to it.
    Fd fd(memfd_create("nacre-dma-buf", MFD_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus("memfd_create");
    if (ftruncate(fd.get(), static_cast<off_t>(blob_->size())) != 0) {
      return ErrnoStatus("ftruncate");
    }
    dma_buf_ = std::move(fd);
  }
  Fd copy(fcntl(dma_buf_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC, dma-buf)");
  return copy;
}

void VirtgpuObject::AddFence(std::shared_ptr<const VirtgpuFence> fence) {
  MutexLock lock(mutex_);
  // A later one of a context stands for the earlier.
  std::erase_if(fences_, [&fence](const auto& other) {
    return other->context() == fence->context() || other->signalled();
  });
  fences_.push_back(std::move(fence));
}

bool VirtgpuObject::Idle() {
  MutexLock lock(mutex_);
  std::erase_if(fences_, [](const auto& fence) { return fence->signalled(); });
  return fences_.empty();
}

bool VirtgpuObject::WaitIdle(std::chrono::steady_clock::time_point deadline) {
  Fences fences;
  {
    MutexLock lock(mutex_);
    fences = fences_;
  }
  return std::all_of(
      fences.begin(), fences.end(),
      [deadline](const auto& fence) { return fence->get().Wait(deadline); });
}

}  // namespace nacre::preload
