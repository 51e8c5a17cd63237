#include "devices/virtio_gpu/msm/submit_translator.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/base/optimization.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/errno_status.h"

namespace nacre::msm {
namespace {

constexpr uint32_t kPipeMask = 0xffff;  // Low half of GEM_SUBMIT's flags.

// Turnip sets SYNCOBJ_IN and SYNCOBJ_OUT, though the message has no syncobjs
// (its kernel resolved them); SUDO and file descriptors are not the guest's.
constexpr uint32_t kSubmitFlags = MSM_SUBMIT_NO_IMPLICIT;
constexpr uint32_t kBoFlags = MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE |
                              MSM_SUBMIT_BO_DUMP | MSM_SUBMIT_BO_NO_IMPLICIT;

// An element of an array, which comes unaligned.
template <typename T>
T At(std::span<const uint8_t> bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// Room for `count` elements, whatever is in them: nothing shrinks.
template <typename T>
std::span<T> RoomFor(std::vector<T>& buffer, size_t count) {
  if (buffer.size() < count) buffer.resize(count);
  return std::span(buffer).first(count);
}

absl::Status Refuse(int error, absl::string_view what, uint32_t value) {
  return ErrnoStatus(error, absl::StrCat("GEM_SUBMIT ", what, " ", value));
}

}  // namespace

thread_local std::vector<drm_msm_gem_submit_bo> SubmitTranslator::bos_;
thread_local std::vector<drm_msm_gem_submit_cmd> SubmitTranslator::cmds_;

absl::StatusOr<SubmitRequest> SubmitTranslator::Translate(
    const GemSubmitCcmd& submit, const ObjectTable& objects) {
  if ((submit.flags & kPipeMask) != MSM_PIPE_3D0) {
    return Refuse(EINVAL, "to pipe", submit.flags);
  }
  // The kernel keeps fence numbers in signed integers.
  if (submit.fence == 0 || submit.fence > INT32_MAX) {
    return Refuse(EINVAL, "with fence", submit.fence);
  }
  const std::span<drm_msm_gem_submit_bo> bos = RoomFor(bos_, submit.nr_bos);
  for (size_t i = 0; i < bos.size(); ++i) {
    const auto bo = At<drm_msm_gem_submit_bo>(submit.bos, i);
    const uint32_t handle = objects.FindHandle(bo.handle);
    if (ABSL_PREDICT_FALSE(handle == 0)) {
      return Refuse(ENOENT, "with resource", bo.handle);
    }
    bos[i] = {.flags = bo.flags & kBoFlags, .handle = handle, .presumed = 0};
  }
  const std::span<drm_msm_gem_submit_cmd> cmds = RoomFor(cmds_, submit.nr_cmds);
  for (size_t i = 0; i < cmds.size(); ++i) {
    cmds[i] = At<drm_msm_gem_submit_cmd>(submit.cmds, i);
    if (ABSL_PREDICT_FALSE(cmds[i].nr_relocs != 0)) {
      return Refuse(EINVAL, "with relocations:", cmds[i].nr_relocs);
    }
    cmds[i].pad = 0;
    cmds[i].relocs = 0;  // Gallium leaves garbage here.
  }
  return SubmitRequest{
      .flags = MSM_PIPE_3D0 | (submit.flags & kSubmitFlags),
      .queue_id = submit.queue_id,
      .fence = submit.fence,
      .bos = bos,
      .cmds = cmds,
  };
}

}  // namespace nacre::msm
