#include "devices/virtio_gpu/msm/submit_translator.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace nacre::msm {
namespace {

constexpr uint32_t kPipeMask = 0xffff;  // Low half of GEM_SUBMIT's flags.

// Turnip sets SYNCOBJ_IN and SYNCOBJ_OUT, though the message has no syncobjs
// (its kernel resolved them); SUDO and file descriptors are not the guest's.
constexpr uint32_t kSubmitFlags = MSM_SUBMIT_NO_IMPLICIT;
constexpr uint32_t kBoFlags = MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE |
                              MSM_SUBMIT_BO_DUMP | MSM_SUBMIT_BO_NO_IMPLICIT;

// The arrays come unaligned: this is their one copy.
template <typename T>
void CopyArray(std::span<const uint8_t> bytes, size_t count,
               std::vector<T>& out) {
  out.resize(count);
  if (count != 0) std::memcpy(out.data(), bytes.data(), bytes.size());
}

}  // namespace

absl::StatusOr<SubmitRequest> SubmitTranslator::Translate(
    const GemSubmitCcmd& submit, const ObjectTable& objects) {
  if ((submit.flags & kPipeMask) != MSM_PIPE_3D0) {
    return ErrnoStatus(EINVAL,
                       absl::StrCat("GEM_SUBMIT to pipe ", submit.flags));
  }
  // The kernel keeps fence numbers in signed integers.
  if (submit.fence == 0 || submit.fence > INT32_MAX) {
    return ErrnoStatus(EINVAL,
                       absl::StrCat("GEM_SUBMIT with fence ", submit.fence));
  }
  CopyArray(submit.bos, submit.nr_bos, bos_);
  for (drm_msm_gem_submit_bo& bo : bos_) {
    const uint32_t handle = objects.FindHandle(bo.handle);
    if (handle == 0) {
      return ErrnoStatus(ENOENT,
                         absl::StrCat("GEM_SUBMIT with resource ", bo.handle));
    }
    bo = {.flags = bo.flags & kBoFlags, .handle = handle, .presumed = 0};
  }
  CopyArray(submit.cmds, submit.nr_cmds, cmds_);
  for (drm_msm_gem_submit_cmd& cmd : cmds_) {
    if (cmd.nr_relocs != 0) {
      return ErrnoStatus(EINVAL, "GEM_SUBMIT with relocations");
    }
    cmd.pad = 0;
    cmd.relocs = 0;  // Gallium leaves garbage here.
  }
  return SubmitRequest{
      .flags = MSM_PIPE_3D0 | (submit.flags & kSubmitFlags),
      .queue_id = submit.queue_id,
      .fence = submit.fence,
      .bos = bos_,
      .cmds = cmds_,
  };
}

}  // namespace nacre::msm
