#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/virtio_gpu/msm/ccmd.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/object_table.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace submit_internal {

inline constexpr uint32_t kPipeMask =
    0xffff;  // Low half of GEM_SUBMIT's flags.

// Turnip sets SYNCOBJ_IN and SYNCOBJ_OUT, though the message has no syncobjs
// (its kernel resolved them); SUDO and file descriptors are not the guest's.
inline constexpr uint32_t kSubmitFlags = MSM_SUBMIT_NO_IMPLICIT;
inline constexpr uint32_t kBoFlags = MSM_SUBMIT_BO_READ | MSM_SUBMIT_BO_WRITE |
                                     MSM_SUBMIT_BO_DUMP |
                                     MSM_SUBMIT_BO_NO_IMPLICIT;

// The arrays for the kernel, which grow to the longest submit. What is never
// written here stays zero: words that only the kernel uses, relocations.
struct Buffers {
  std::vector<drm_msm_gem_submit_bo> bos;
  std::vector<drm_msm_gem_submit_cmd> cmds;
};

// Of the thread.
inline Buffers& ThreadBuffers() {
  thread_local Buffers buffers;
  return buffers;
}

void GrowBos(Buffers& buffers, size_t count);
void GrowCmds(Buffers& buffers, size_t count);
absl::Status Refuse(int error, absl::string_view what, uint32_t value);

}  // namespace submit_internal

// Turns a guest's GEM_SUBMIT into the host's, `request`: resource ids into GEM
// handles, flags masked to those that mean the same on both sides, words that
// only the kernel uses zeroed. EINVAL for flags, a pipe or a fence number that
// the host must not see, ENOENT for a resource that is not attached.
//
// The arrays are valid until the thread's next call: the buffers for them,
// which grow to the longest submit, exist once a thread. Few threads serve many
// contexts. Inline, as it has one caller, for which it is most of the work.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline absl::Status TranslateSubmit(
    const GemSubmitCcmd& submit, const ObjectTable& objects,
    SubmitRequest& request) {
  namespace internal = submit_internal;
  if (ABSL_PREDICT_FALSE((submit.flags & internal::kPipeMask) !=
                         MSM_PIPE_3D0)) {
    return internal::Refuse(EINVAL, "to pipe", submit.flags);
  }
  // The kernel keeps fence numbers in signed integers.
  if (ABSL_PREDICT_FALSE(submit.fence == 0 || submit.fence > INT32_MAX)) {
    return internal::Refuse(EINVAL, "with fence", submit.fence);
  }
  const uint32_t nr_bos = submit.nr_bos;
  const uint32_t nr_cmds = submit.nr_cmds;
  internal::Buffers& buffers = internal::ThreadBuffers();
  if (ABSL_PREDICT_FALSE(buffers.bos.size() < nr_bos))
    internal::GrowBos(buffers, nr_bos);
  if (ABSL_PREDICT_FALSE(buffers.cmds.size() < nr_cmds)) {
    internal::GrowCmds(buffers, nr_cmds);
  }
  // The guest's arrays are not aligned.
  const AttachedObjects::Handles handles = objects.handles();
  drm_msm_gem_submit_bo* const bos = buffers.bos.data();
  const uint8_t* const guest_bos = submit.bos.data();
  const size_t bos_bytes = nr_bos * sizeof(drm_msm_gem_submit_bo);
  for (size_t i = 0; i != bos_bytes; i += sizeof(drm_msm_gem_submit_bo)) {
    struct {
      uint32_t flags;
      uint32_t resource_id;
    } in;
    std::memcpy(&in, guest_bos + i, sizeof(in));
    const uint32_t handle = handles.Find(in.resource_id);
    if (ABSL_PREDICT_FALSE(handle == 0)) {
      return internal::Refuse(ENOENT, "with resource", in.resource_id);
    }
    auto& out = *reinterpret_cast<drm_msm_gem_submit_bo*>(
        reinterpret_cast<uint8_t*>(bos) + i);
    out.flags = in.flags & internal::kBoFlags;
    out.handle = handle;
  }
  drm_msm_gem_submit_cmd* const cmds = buffers.cmds.data();
  const uint8_t* guest_cmd = submit.cmds.data();
  for (drm_msm_gem_submit_cmd* cmd = cmds; cmd != cmds + nr_cmds; ++cmd) {
    // Gallium leaves garbage behind the count of relocations.
    uint32_t nr_relocs;
    std::memcpy(&nr_relocs,
                guest_cmd + offsetof(drm_msm_gem_submit_cmd, nr_relocs),
                sizeof(nr_relocs));
    if (ABSL_PREDICT_FALSE(nr_relocs != 0)) {
      return internal::Refuse(EINVAL, "with relocations:", nr_relocs);
    }
    std::memcpy(cmd, guest_cmd, offsetof(drm_msm_gem_submit_cmd, pad));
    guest_cmd += sizeof(*cmd);
  }
  request.flags = MSM_PIPE_3D0 | (submit.flags & internal::kSubmitFlags);
  request.queue_id = submit.queue_id;
  request.fence = submit.fence;
  request.bos = {bos, nr_bos};
  request.cmds = {cmds, nr_cmds};
  return absl::OkStatus();
}

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_
