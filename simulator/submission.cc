#include "simulator/submission.h"

#include <cerrno>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kAccess = msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE;

absl::Status CheckBufferFlags(
    std::span<const msm::drm_msm_gem_submit_bo> table) {
  constexpr uint32_t kKnown =
      kAccess | msm::MSM_SUBMIT_BO_DUMP | msm::MSM_SUBMIT_BO_NO_IMPLICIT;
  for (const msm::drm_msm_gem_submit_bo& bo : table) {
    if ((bo.flags & ~kKnown) != 0 || (bo.flags & kAccess) == 0) {
      return ErrnoStatus(EINVAL,
                         absl::StrFormat("submit_bo flags %#x", bo.flags));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCommandTypes(
    std::span<const msm::drm_msm_gem_submit_cmd> table) {
  for (const msm::drm_msm_gem_submit_cmd& command : table) {
    switch (command.type) {
      case msm::MSM_SUBMIT_CMD_BUF:
      case msm::MSM_SUBMIT_CMD_IB_TARGET_BUF:
      case msm::MSM_SUBMIT_CMD_CTX_RESTORE_BUF:
        break;
      default:
        return ErrnoStatus(EINVAL,
                           absl::StrCat("submit_cmd type ", command.type));
    }
    if (command.size % 4 != 0) {
      return ErrnoStatus(EINVAL,
                         absl::StrCat("submit_cmd of ", command.size,
                                      " bytes, which is no whole dwords"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Job::Command> PlaceCommand(
    const msm::drm_msm_gem_submit_cmd& command,
    std::span<const std::shared_ptr<Buffer>> buffers,
    std::span<const uint64_t> addresses) {
  if (command.submit_idx >= buffers.size()) {
    return ErrnoStatus(EINVAL,
                       absl::StrCat("submit_cmd in buffer ", command.submit_idx,
                                    " of ", buffers.size()));
  }
  const Buffer& buffer = *buffers[command.submit_idx];
  // The kernel counts in dwords: the low bits of the offset do not matter.
  const uint64_t offset = command.submit_offset & ~3u;
  if (command.size == 0 || !RangeFits(offset, command.size, buffer.size())) {
    return ErrnoStatus(
        EINVAL, absl::StrCat("submit_cmd of ", command.size, " bytes at ",
                             offset, " of ", buffer.size()));
  }
  if (command.nr_relocs != 0) {
    return ErrnoStatus(EINVAL, "relocations, which this GPU has none of");
  }
  return Job::Command{
      .buffer = {addresses[command.submit_idx] + offset, command.size / 4},
      .only_after_switch = command.type == msm::MSM_SUBMIT_CMD_CTX_RESTORE_BUF};
}

}  // namespace

absl::Status CheckSubmitFlags(uint32_t flags) {
  constexpr uint32_t kPipeMask = 0xffff;
  // SUDO is for builds of the kernel that are for debugging. SYNCOBJ_* without
  // syncobjs have no effect.
  constexpr uint32_t kKnown =
      msm::MSM_SUBMIT_NO_IMPLICIT | msm::MSM_SUBMIT_FENCE_FD_IN |
      msm::MSM_SUBMIT_FENCE_FD_OUT | msm::MSM_SUBMIT_SYNCOBJ_IN |
      msm::MSM_SUBMIT_SYNCOBJ_OUT | msm::MSM_SUBMIT_FENCE_SN_IN;
  if ((flags & kPipeMask) != msm::MSM_PIPE_3D0 ||
      (flags & ~kPipeMask & ~kKnown) != 0) {
    return ErrnoStatus(EINVAL, absl::StrFormat("GEM_SUBMIT flags %#x", flags));
  }
  return absl::OkStatus();
}

absl::StatusOr<Submission> PrepareSubmission(const msm::SubmitRequest& request,
                                             const HandleTable& handles,
                                             AddressSpace& space) {
  RETURN_IF_ERROR(CheckBufferFlags(request.bos));
  // Memory that may wait long is no more than is used.
  Submission submission;
  submission.buffers.reserve(request.bos.size());
  submission.commands.reserve(request.cmds.size());
  for (const msm::drm_msm_gem_submit_bo& bo : request.bos) {
    std::shared_ptr<Buffer> buffer = handles.Find(bo.handle);
    if (buffer == nullptr) {
      return ErrnoStatus(EINVAL,
                         absl::StrCat("submit_bo with GEM handle ", bo.handle));
    }
    submission.buffers.push_back(std::move(buffer));
    const bool writes = (bo.flags & msm::MSM_SUBMIT_BO_WRITE) != 0;
    const uint32_t no_implicit = (request.flags & msm::MSM_SUBMIT_NO_IMPLICIT) |
                                 (bo.flags & msm::MSM_SUBMIT_BO_NO_IMPLICIT);
    submission.uses.push_back(
        {.use = writes ? Reservation::Use::kWrite : Reservation::Use::kRead,
         .implicit = no_implicit == 0});
  }
  RETURN_IF_ERROR(CheckCommandTypes(request.cmds));

  absl::flat_hash_set<const Buffer*> listed;
  for (const std::shared_ptr<Buffer>& buffer : submission.buffers) {
    if (!listed.insert(buffer.get()).second) {
      return ErrnoStatus(EALREADY, "a buffer is listed twice");
    }
  }
  std::vector<uint64_t> addresses;
  addresses.reserve(submission.buffers.size());
  for (const std::shared_ptr<Buffer>& buffer : submission.buffers) {
    ASSIGN_OR_RETURN(addresses.emplace_back(), space.AddressOf(buffer));
  }
  for (const msm::drm_msm_gem_submit_cmd& command : request.cmds) {
    ASSIGN_OR_RETURN(const Job::Command placed,
                     PlaceCommand(command, submission.buffers, addresses));
    // A target is only named for debugging; another buffer jumps to it.
    if (command.type == msm::MSM_SUBMIT_CMD_IB_TARGET_BUF) continue;
    submission.commands.push_back(placed);
  }
  return submission;
}

}  // namespace nacre::simulator
