#include "tools/preload/sync_file.h"

#include <fcntl.h>
#include <linux/sync_file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/user_pointer.h"

namespace nacre::preload {
namespace {

// Names in the UAPI: 32 bytes with the final NUL.
template <size_t kSize>
void CopyName(const std::string& name, char (&out)[kSize]) {
  std::memset(out, 0, kSize);
  std::memcpy(out, name.data(), std::min(name.size(), kSize - 1));
}

}  // namespace

SyncFile::SyncFile(SyncFiles& files, PendingWork work, std::string name)
    : files_(files), work_(std::move(work)), name_(std::move(name)) {}

absl::Status SyncFile::Ioctl(uint32_t request, void* argument) {
  switch (request) {
    case SYNC_IOC_MERGE:
      return Merge(argument);
    case SYNC_IOC_FILE_INFO:
      return FileInfo(argument);
    default:
      return ErrnoStatus(ENOTTY,
                         absl::StrFormat("ioctl %#x of a sync_file", request));
  }
}

absl::Status SyncFile::Merge(void* argument) {
  auto& merge = *static_cast<sync_merge_data*>(argument);
  if (merge.flags != 0 || merge.pad != 0) {
    return ErrnoStatus(EINVAL, "SYNC_IOC_MERGE");
  }
  ASSIGN_OR_RETURN(SyncFiles::Reserved reserved, SyncFiles::Reserve());
  const std::shared_ptr<SyncFile> other = files_.FindFile(merge.fd2);
  if (other == nullptr) {
    return ErrnoStatus(ENOENT, "SYNC_IOC_MERGE with what is no sync_file");
  }
  PendingWork both = work_;
  both.Add(other->work());
  merge.fence = files_.Create(
      std::move(reserved), std::move(both),
      std::string(merge.name, strnlen(merge.name, sizeof(merge.name) - 1)));
  return absl::OkStatus();
}

absl::Status SyncFile::FileInfo(void* argument) const {
  auto& info = *static_cast<sync_file_info*>(argument);
  if (info.flags != 0 || info.pad != 0) {
    return ErrnoStatus(EINVAL, "SYNC_IOC_FILE_INFO");
  }
  // What was done when the file was made counts as one fence.
  const uint32_t count =
      std::max<uint32_t>(1, static_cast<uint32_t>(work_.fences().size()));
  if (info.num_fences != 0) {
    if (info.num_fences < count) {
      return ErrnoStatus(EINVAL, "SYNC_IOC_FILE_INFO of more fences");
    }
    auto* fences = UserPointer<sync_fence_info>(info.sync_fence_info);
    for (uint32_t i = 0; i < count; ++i) {
      // Without work: the kernel's dma_fence_get_stub.
      const Fence* const fence =
          work_.fences().empty() ? nullptr : work_.fences()[i].get();
      sync_fence_info one{};
      CopyName(fence != nullptr ? fence->timeline_name() : "stub",
               one.obj_name);
      CopyName(fence != nullptr ? fence->driver_name() : "stub",
               one.driver_name);
      one.status = fence == nullptr || fence->signalled() ? 1 : 0;
      fences[i] = one;
    }
  }
  CopyName(name_, info.name);
  info.status = work_.done() ? 1 : 0;
  info.num_fences = count;
  return absl::OkStatus();
}

absl::StatusOr<SyncFiles::Reserved> SyncFiles::Reserve() {
  ASSIGN_OR_RETURN(EventFd event, EventFd::Create());
  Fd fd(fcntl(event.fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("fcntl(F_DUPFD_CLOEXEC, sync_file)");
  return Reserved(std::move(event), std::move(fd));
}

int SyncFiles::Create(Reserved reserved, PendingWork work, std::string name) {
  const int fd =
      install_(std::move(reserved.fd_),
               std::make_shared<SyncFile>(*this, work, std::move(name)));
  {
    MutexLock lock(mutex_);
    pending_.push_back(
        {.work = std::move(work), .event = std::move(reserved.event_)});
  }
  // It may have been done before it was pending.
  OnWorkDone();
  return fd;
}

void SyncFiles::OnWorkDone() {
  std::vector<Pending> done;
  {
    MutexLock lock(mutex_);
    const auto first_done = std::partition(
        pending_.begin(), pending_.end(),
        [](const Pending& pending) { return !pending.work.done(); });
    std::move(first_done, pending_.end(), std::back_inserter(done));
    pending_.erase(first_done, pending_.end());
  }
  // Their ends close descriptors: not under the lock.
  for (const Pending& pending : done) pending.event.Signal();
}

}  // namespace nacre::preload
