#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_CAPSET_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_CAPSET_H_

#include "absl/status/statusor.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// What guests learn of a GPU before they open a context on it: read once, from
// `drm`, a file of its own. FailedPrecondition, in one line, for a driver or a
// GPU that a guest's Mesa could not use.
absl::StatusOr<virgl_renderer_capset_drm> ReadCapset(
    const DriverVersion& version, DrmFile& drm);

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_CAPSET_H_
