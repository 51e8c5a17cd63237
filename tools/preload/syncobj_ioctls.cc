#include <libdrm/drm.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/ioctl_table.h"
#include "tools/preload/render_node.h"
#include "tools/preload/user_pointer.h"

// The ioctls of drm_syncobj.c.

namespace nacre::preload {
namespace {

using Syncobjs = std::vector<std::shared_ptr<Syncobj>>;

// A syncobj as a descriptor, to be given to another open file.
class SyncobjFile final : public OpenFile {
 public:
  explicit SyncobjFile(std::shared_ptr<Syncobj> syncobj)
      : syncobj_(std::move(syncobj)) {}
  const std::shared_ptr<Syncobj>& syncobj() const { return syncobj_; }
  absl::Status Ioctl(uint32_t /*request*/, void* /*argument*/) override {
    return ErrnoStatus(ENOTTY, "ioctl of a syncobj's descriptor");
  }

 private:
  const std::shared_ptr<Syncobj> syncobj_;
};

absl::Status Invalid(const char* what) { return ErrnoStatus(EINVAL, what); }

absl::StatusOr<std::shared_ptr<Syncobj>> Find(RenderNode& node, uint32_t handle,
                                              int error) {
  std::shared_ptr<Syncobj> syncobj = node.syncobjs().Find(handle);
  if (syncobj != nullptr) return syncobj;
  return ErrnoStatus(error, absl::StrCat("syncobj ", handle));
}

absl::Status Create(RenderNode& node, drm_syncobj_create& argument) {
  if ((argument.flags & ~DRM_SYNCOBJ_CREATE_SIGNALED) != 0) {
    return Invalid("SYNCOBJ_CREATE");
  }
  auto syncobj = std::make_shared<Syncobj>(node.gpu().changes());
  if (argument.flags != 0) syncobj->Replace(PendingWork());
  argument.handle = node.syncobjs().Insert(std::move(syncobj));
  return absl::OkStatus();
}

absl::Status Destroy(RenderNode& node, drm_syncobj_destroy& argument) {
  if (argument.pad != 0 || !node.syncobjs().Remove(argument.handle)) {
    return Invalid("SYNCOBJ_DESTROY");
  }
  return absl::OkStatus();
}

absl::Status HandleToFd(RenderNode& node, drm_syncobj_handle& argument) {
  if (argument.pad != 0 ||
      (argument.flags & ~DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE) !=
          0) {
    return Invalid("SYNCOBJ_HANDLE_TO_FD");
  }
  if (argument.flags != 0) {
    ASSIGN_OR_RETURN(SyncFiles::Reserved reserved, SyncFiles::Reserve());
    ASSIGN_OR_RETURN(const std::shared_ptr<Syncobj> syncobj,
                     Find(node, argument.handle, ENOENT));
    std::optional<PendingWork> work = syncobj->Find(0);
    if (!work) return Invalid("export of an empty syncobj");
    argument.fd =
        node.gpu().sync_files().Create(std::move(reserved), *std::move(work));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::shared_ptr<Syncobj> syncobj,
                   Find(node, argument.handle, EINVAL));
  Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus("eventfd");
  argument.fd = node.gpu().Install(
      std::move(fd), std::make_shared<SyncobjFile>(std::move(syncobj)));
  return absl::OkStatus();
}

absl::Status FdToHandle(RenderNode& node, drm_syncobj_handle& argument) {
  if (argument.pad != 0 ||
      (argument.flags & ~DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE) !=
          0) {
    return Invalid("SYNCOBJ_FD_TO_HANDLE");
  }
  if (argument.flags != 0) {
    const auto file = node.gpu().sync_files().FindFile(argument.fd);
    if (file == nullptr) return Invalid("import of what is no sync_file");
    ASSIGN_OR_RETURN(const std::shared_ptr<Syncobj> syncobj,
                     Find(node, argument.handle, ENOENT));
    syncobj->Replace(file->work());
    return absl::OkStatus();
  }
  const auto file = node.gpu().fds().FindAs<SyncobjFile>(argument.fd);
  if (file == nullptr) return Invalid("import of what is no syncobj");
  argument.handle = node.syncobjs().Insert(file->syncobj());
  return absl::OkStatus();
}

absl::Status Transfer(RenderNode& node, drm_syncobj_transfer& argument) {
  if (argument.pad != 0) return Invalid("SYNCOBJ_TRANSFER");
  ASSIGN_OR_RETURN(const std::shared_ptr<Syncobj> to,
                   Find(node, argument.dst_handle, ENOENT));
  ASSIGN_OR_RETURN(const std::shared_ptr<Syncobj> from,
                   Find(node, argument.src_handle, ENOENT));
  if ((argument.flags & ~DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT) != 0) {
    return Invalid("SYNCOBJ_TRANSFER flags");
  }
  const Syncobj::Waiter waiter(from, argument.src_point);
  if (argument.flags != 0) {
    constexpr std::chrono::seconds kPatience(5);  // The kernel's.
    if (!node.gpu().changes().WaitUntil(
            std::chrono::steady_clock::now() + kPatience,
            [&waiter] { return waiter.work().has_value(); })) {
      return ErrnoStatus(ETIME, "SYNCOBJ_TRANSFER");
    }
  }
  std::optional<PendingWork> work = waiter.work();
  if (!work) return Invalid("SYNCOBJ_TRANSFER of a point without a fence");
  if (argument.dst_point != 0) {
    to->AddPoint(argument.dst_point, *work);
  } else {
    to->Replace(std::move(work));
  }
  return absl::OkStatus();
}

// drm_syncobj_array_wait_timeout.
absl::Status WaitForArray(RenderNode& node, const Syncobjs& syncobjs,
                          const uint64_t* points, uint32_t flags,
                          int64_t timeout, uint32_t& first_signaled) {
  const bool all = (flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL) != 0;
  const bool available = (flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) != 0;
  const bool for_submit =
      available || (flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT) != 0;

  std::list<Syncobj::Waiter> waiters;
  for (size_t i = 0; i < syncobjs.size(); ++i) {
    waiters.emplace_back(syncobjs[i], points != nullptr ? points[i] : 0);
    if (!for_submit && !waiters.back().work()) {
      return Invalid("wait for a syncobj without a fence");
    }
  }
  uint32_t first = ~0u;
  // Of the last look: what is not done, and whether anything was not submitted.
  absl::InlinedVector<PendingWork, 4> pending;
  bool unsubmitted = false;
  const auto look = [&] {
    first = ~0u;
    pending.clear();
    unsubmitted = false;
    size_t count = 0;
    uint32_t i = 0;
    for (const Syncobj::Waiter& waiter : waiters) {
      std::optional<PendingWork> work = waiter.work();
      if (!work) {
        unsubmitted = true;
      } else if (!available && !work->done()) {
        pending.push_back(*std::move(work));
      } else if (count++ == 0) {
        first = i;
      }
      ++i;
    }
    return all ? count == waiters.size() : count > 0;
  };
  const auto concerned = [&] {
    const auto is_done = [](const PendingWork& work) { return work.done(); };
    return unsubmitted ||
           (all ? std::all_of(pending.begin(), pending.end(), is_done)
                : std::any_of(pending.begin(), pending.end(), is_done));
  };
  const Changes::Deadline deadline{std::chrono::nanoseconds(timeout)};
  const bool done = node.gpu().changes().WaitUntil(deadline, look, concerned);
  if (!done) return ErrnoStatus(ETIME, "SYNCOBJ_WAIT");
  first_signaled = first;
  return absl::OkStatus();
}

// Newer clients may set a deadline, which is a hint.
constexpr uint32_t kWaitDeadline = 1 << 3;
constexpr uint32_t kWaitFlags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL |
                                DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
                                kWaitDeadline;

// Wait and TimelineWait: `known` flags.
template <typename Argument>
absl::Status WaitFor(RenderNode& node, Argument& argument,
                     const uint64_t* points, uint32_t known) {
  if ((argument.flags & ~known) != 0) return Invalid("SYNCOBJ_WAIT flags");
  if (argument.count_handles == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const Syncobjs syncobjs,
      node.syncobjs().FindAll({UserPointer<const uint32_t>(argument.handles),
                               argument.count_handles}));
  return WaitForArray(node, syncobjs, points, argument.flags,
                      argument.timeout_nsec, argument.first_signaled);
}

absl::Status Wait(RenderNode& node, drm_syncobj_wait& argument) {
  return WaitFor(node, argument, nullptr, kWaitFlags);
}

absl::Status TimelineWait(RenderNode& node,
                          drm_syncobj_timeline_wait& argument) {
  return WaitFor(node, argument, UserPointer<const uint64_t>(argument.points),
                 kWaitFlags | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE);
}

// For the ioctls that change or ask several, and at least one.
template <typename Argument>
absl::StatusOr<Syncobjs> SomeSyncobjs(RenderNode& node,
                                      const Argument& argument) {
  if (argument.count_handles == 0) return Invalid("no syncobjs");
  return node.syncobjs().FindAll(
      {UserPointer<const uint32_t>(argument.handles), argument.count_handles});
}

absl::Status ReplaceAll(RenderNode& node, const drm_syncobj_array& argument,
                        const std::optional<PendingWork>& work) {
  if (argument.pad != 0) return Invalid("SYNCOBJ_RESET or SIGNAL");
  ASSIGN_OR_RETURN(const Syncobjs syncobjs, SomeSyncobjs(node, argument));
  for (const auto& syncobj : syncobjs) syncobj->Replace(work);
  return absl::OkStatus();
}

absl::Status Reset(RenderNode& node, drm_syncobj_array& argument) {
  return ReplaceAll(node, argument, std::nullopt);
}

absl::Status Signal(RenderNode& node, drm_syncobj_array& argument) {
  return ReplaceAll(node, argument, PendingWork());
}

absl::Status TimelineSignal(RenderNode& node,
                            drm_syncobj_timeline_array& argument) {
  if (argument.flags != 0) return Invalid("SYNCOBJ_TIMELINE_SIGNAL");
  ASSIGN_OR_RETURN(const Syncobjs syncobjs, SomeSyncobjs(node, argument));
  const auto* points = UserPointer<const uint64_t>(argument.points);
  for (size_t i = 0; i < syncobjs.size(); ++i) {
    syncobjs[i]->AddPoint(points != nullptr ? points[i] : 0, PendingWork());
  }
  return absl::OkStatus();
}

absl::Status Query(RenderNode& node, drm_syncobj_timeline_array& argument) {
  if ((argument.flags & ~DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED) != 0) {
    return Invalid("SYNCOBJ_QUERY");
  }
  ASSIGN_OR_RETURN(const Syncobjs syncobjs, SomeSyncobjs(node, argument));
  auto* points = UserPointer<uint64_t>(argument.points);
  for (size_t i = 0; i < syncobjs.size(); ++i) {
    points[i] = argument.flags != 0 ? syncobjs[i]->LastSubmitted()
                                    : syncobjs[i]->Query();
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const IoctlEntry> SyncobjIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_SYNCOBJ_CREATE, Create>(),
      Handles<DRM_IOCTL_SYNCOBJ_DESTROY, Destroy>(),
      Handles<DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, HandleToFd>(),
      Handles<DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, FdToHandle>(),
      Handles<DRM_IOCTL_SYNCOBJ_TRANSFER, Transfer>(),
      Handles<DRM_IOCTL_SYNCOBJ_WAIT, Wait>(),
      Handles<DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, TimelineWait>(),
      Handles<DRM_IOCTL_SYNCOBJ_RESET, Reset>(),
      Handles<DRM_IOCTL_SYNCOBJ_SIGNAL, Signal>(),
      Handles<DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, TimelineSignal>(),
      Handles<DRM_IOCTL_SYNCOBJ_QUERY, Query>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
