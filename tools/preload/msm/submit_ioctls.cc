#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/ioctl_table.h"
#include "tools/preload/msm/msm_node.h"
#include "tools/preload/msm/native_uapi.h"
#include "tools/preload/user_pointer.h"

// GEM_SUBMIT (msm_gem_submit.c), with its fences and syncobjs.

namespace nacre::preload {
namespace {

using namespace msm;  // NOLINT: the kernel's names, as the kernel writes them.
using simulator::SimulatedFile;

// The i-th syncobj of an array whose elements the program calls `stride` bytes
// long: what is missing of one is zero, what is more is not looked at.
drm_msm_gem_submit_syncobj SyncobjAt(uint64_t array, uint32_t i,
                                     uint32_t stride) {
  drm_msm_gem_submit_syncobj syncobj{};
  std::memcpy(&syncobj, UserPointer<const char>(array + uint64_t{i} * stride),
              std::min<size_t>(stride, sizeof(syncobj)));
  return syncobj;
}

// What the submission waits for, and the syncobjs to reset once it is queued
// (msm_parse_deps).
struct Dependencies {
  PendingWork work;
  std::vector<std::shared_ptr<Syncobj>> resets;
};

absl::Status AddInSyncobjs(MsmNode& node, const drm_msm_gem_submit& submit,
                           Dependencies& dependencies) {
  for (uint32_t i = 0; i < submit.nr_in_syncobjs; ++i) {
    const drm_msm_gem_submit_syncobj in =
        SyncobjAt(submit.in_syncobjs, i, submit.syncobj_stride);
    if ((in.flags & ~MSM_SUBMIT_SYNCOBJ_RESET) != 0) {
      return ErrnoStatus(EINVAL, "in-syncobj flags");
    }
    std::shared_ptr<Syncobj> syncobj = node.syncobjs().Find(in.handle);
    if (syncobj == nullptr) {
      return ErrnoStatus(ENOENT, absl::StrCat("in-syncobj ", in.handle));
    }
    const std::optional<PendingWork> work = syncobj->Find(in.point);
    if (!work) return ErrnoStatus(EINVAL, "in-syncobj without a fence");
    dependencies.work.Add(*work);
    if ((in.flags & MSM_SUBMIT_SYNCOBJ_RESET) != 0) {
      dependencies.resets.push_back(std::move(syncobj));
    }
  }
  return absl::OkStatus();
}

// What the submission signals (msm_parse_post_deps).
struct OutSyncobj {
  std::shared_ptr<Syncobj> syncobj;
  uint64_t point;
};

absl::StatusOr<std::vector<OutSyncobj>> OutSyncobjs(
    MsmNode& node, const drm_msm_gem_submit& submit) {
  std::vector<OutSyncobj> found;
  for (uint32_t i = 0; i < submit.nr_out_syncobjs; ++i) {
    const drm_msm_gem_submit_syncobj out =
        SyncobjAt(submit.out_syncobjs, i, submit.syncobj_stride);
    std::shared_ptr<Syncobj> syncobj = node.syncobjs().Find(out.handle);
    if (out.flags != 0 || syncobj == nullptr) {
      return ErrnoStatus(EINVAL, absl::StrCat("out-syncobj ", out.handle));
    }
    found.push_back({std::move(syncobj), out.point});
  }
  return found;
}

absl::Status GemSubmit(MsmNode& node, drm_msm_gem_submit& submit) {
  if (submit.pad != 0) return ErrnoStatus(EINVAL, "GEM_SUBMIT");
  RETURN_IF_ERROR(node.WithFile([&](SimulatedFile& file) {
    return file.CheckSubmit(submit.flags, submit.queueid);
  }));

  std::optional<SyncFiles::Reserved> fence_fd;
  if ((submit.flags & MSM_SUBMIT_FENCE_FD_OUT) != 0) {
    ASSIGN_OR_RETURN(fence_fd, SyncFiles::Reserve());
  }
  Dependencies dependencies;
  if ((submit.flags & MSM_SUBMIT_FENCE_FD_IN) != 0) {
    const std::shared_ptr<SyncFile> in =
        node.gpu().sync_files().FindFile(submit.fence_fd);
    if (in == nullptr) return ErrnoStatus(EINVAL, "in-fence");
    dependencies.work = in->work();
  }
  if ((submit.flags & MSM_SUBMIT_SYNCOBJ_IN) != 0) {
    RETURN_IF_ERROR(AddInSyncobjs(node, submit, dependencies));
  }
  std::vector<OutSyncobj> out;
  if ((submit.flags & MSM_SUBMIT_SYNCOBJ_OUT) != 0) {
    ASSIGN_OR_RETURN(out, OutSyncobjs(node, submit));
  }

  SubmitRequest request;
  request.flags = submit.flags;
  request.queue_id = submit.queueid;
  request.fence = submit.fence;
  request.bos = {UserPointer<const drm_msm_gem_submit_bo>(submit.bos),
                 submit.nr_bos};
  request.cmds = {UserPointer<const drm_msm_gem_submit_cmd>(submit.cmds),
                  submit.nr_cmds};
  simulator::FenceSet fences;
  for (const std::shared_ptr<const Fence>& fence : dependencies.work.fences()) {
    fences.insert(static_cast<const MsmFence&>(*fence).get());
  }
  ASSIGN_OR_RETURN(const SimulatedFile::Submitted submitted,
                   node.WithFile([&](SimulatedFile& file) {
                     return file.Submit(request, std::move(fences));
                   }));

  submit.fence = submitted.fence_number;
  const PendingWork work(std::make_shared<MsmFence>(submitted.fence));
  if (fence_fd) {
    submit.fence_fd =
        node.gpu().sync_files().Create(*std::move(fence_fd), work);
  }
  for (const auto& syncobj : dependencies.resets) {
    syncobj->Replace(std::nullopt);
  }
  for (const OutSyncobj& signalled : out) {
    if (signalled.point != 0) {
      signalled.syncobj->AddPoint(signalled.point, work);
    } else {
      signalled.syncobj->Replace(work);
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const IoctlEntry> MsmSubmitIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_MSM_GEM_SUBMIT, GemSubmit>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
