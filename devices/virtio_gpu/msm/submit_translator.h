#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_

#include "absl/status/status.h"
#include "devices/virtio_gpu/msm/ccmd.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/object_table.h"

namespace nacre::msm {

// Turns a guest's GEM_SUBMIT into the host's, `request`: resource ids into GEM
// handles, flags masked to those that mean the same on both sides, words that
// only the kernel uses zeroed. EINVAL for flags, a pipe or a fence number that
// the host must not see, ENOENT for a resource that is not attached.
//
// The arrays are valid until the thread's next call: the buffers for them,
// which grow to the longest submit, exist once a thread. Few threads serve many
// contexts.
absl::Status TranslateSubmit(const GemSubmitCcmd& submit,
                             const ObjectTable& objects,
                             SubmitRequest& request);

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_TRANSLATOR_H_
