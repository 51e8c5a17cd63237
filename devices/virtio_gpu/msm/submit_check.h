#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_CHECK_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"
#include "devices/virtio_gpu/msm/ccmd.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/object_table.h"

namespace nacre::msm {

// EINVAL for what the msm driver refuses in GEM_SUBMIT (msm_gem_submit.c): a
// buffer that is neither read nor written or listed twice, a command that is of
// no known kind, not whole words or not within a buffer of the list. `request`
// is what TranslateSubmit made of `submit`, `version_minor` the driver's.
//
// Attack stopped: the host's log flooded. Before Linux 6.8 the kernel has a
// line in it for each of these, as many as a guest causes. No Mesa causes any,
// which is why this, of the same order of cost as the submit, is for contexts
// that the driver refused a submit of.
absl::Status CheckSubmit(const GemSubmitCcmd& submit,
                         const SubmitRequest& request,
                         const ObjectTable& objects, uint32_t version_minor);

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_SUBMIT_CHECK_H_
