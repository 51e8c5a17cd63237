#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_

#include <vector>

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/ccmd.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/object_table.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

// Turns a guest's GEM_SUBMIT into the host's: resource ids into GEM handles,
// flags masked to those that mean the same on both sides, words that only the
// kernel uses zeroed. Its buffers, which grow to the longest submit, exist once
// a thread: few threads serve many contexts.
class SubmitTranslator {
 public:
  // EINVAL for flags, a pipe or a fence number that the host must not see,
  // ENOENT for a resource that is not attached. The result is valid until the
  // thread's next call.
  absl::StatusOr<SubmitRequest> Translate(const GemSubmitCcmd& submit,
                                          const ObjectTable& objects);

 private:
  static thread_local std::vector<drm_msm_gem_submit_bo> bos_;
  static thread_local std::vector<drm_msm_gem_submit_cmd> cmds_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_
