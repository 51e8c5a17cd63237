#include "devices/virtio_gpu/msm/submit_translator.h"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/base/attributes.h"
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

template <typename T>
ABSL_ATTRIBUTE_NOINLINE void Grow(std::vector<T>& buffer, size_t count) {
  buffer.resize(count);
}

// Room for `count` elements, whatever is in them: nothing shrinks.
template <typename T>
std::span<T> RoomFor(std::vector<T>& buffer, size_t count) {
  if (ABSL_PREDICT_FALSE(buffer.size() < count)) Grow(buffer, count);
  return std::span(buffer).first(count);
}

ABSL_ATTRIBUTE_NOINLINE absl::Status Refuse(int error, absl::string_view what,
                                            uint32_t value) {
  return ErrnoStatus(error, absl::StrCat("GEM_SUBMIT ", what, " ", value));
}

struct Buffers {
  std::vector<drm_msm_gem_submit_bo> bos;
  std::vector<drm_msm_gem_submit_cmd> cmds;
};

Buffers& ThreadBuffers() {
  thread_local Buffers buffers;
  return buffers;
}

}  // namespace

absl::Status TranslateSubmit(const GemSubmitCcmd& submit,
                             const ObjectTable& objects,
                             SubmitRequest& request) {
  if (ABSL_PREDICT_FALSE((submit.flags & kPipeMask) != MSM_PIPE_3D0)) {
    return Refuse(EINVAL, "to pipe", submit.flags);
  }
  // The kernel keeps fence numbers in signed integers.
  if (ABSL_PREDICT_FALSE(submit.fence == 0 || submit.fence > INT32_MAX)) {
    return Refuse(EINVAL, "with fence", submit.fence);
  }
  Buffers& buffers = ThreadBuffers();
  const std::span<drm_msm_gem_submit_bo> bos =
      RoomFor(buffers.bos, submit.nr_bos);
  for (size_t i = 0; i < bos.size(); ++i) {
    const auto bo = At<drm_msm_gem_submit_bo>(submit.bos, i);
    const uint32_t handle = objects.FindHandle(bo.handle);
    if (ABSL_PREDICT_FALSE(handle == 0)) {
      return Refuse(ENOENT, "with resource", bo.handle);
    }
    bos[i] = {.flags = bo.flags & kBoFlags, .handle = handle, .presumed = 0};
  }
  const std::span<drm_msm_gem_submit_cmd> cmds =
      RoomFor(buffers.cmds, submit.nr_cmds);
  for (size_t i = 0; i < cmds.size(); ++i) {
    cmds[i] = At<drm_msm_gem_submit_cmd>(submit.cmds, i);
    if (ABSL_PREDICT_FALSE(cmds[i].nr_relocs != 0)) {
      return Refuse(EINVAL, "with relocations:", cmds[i].nr_relocs);
    }
    cmds[i].pad = 0;
    cmds[i].relocs = 0;  // Gallium leaves garbage here.
  }
  request.flags = MSM_PIPE_3D0 | (submit.flags & kSubmitFlags);
  request.queue_id = submit.queue_id;
  request.fence = submit.fence;
  request.bos = bos;
  request.cmds = cmds;
  return absl::OkStatus();
}

}  // namespace nacre::msm
