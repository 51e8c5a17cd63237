#ifndef NACRE_DEVICES_VIRTIO_GPU_ERROR_H_
#define NACRE_DEVICES_VIRTIO_GPU_ERROR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// Errors that name which of the guest's ids was wrong, which no absl code can
// say. `problem` completes "resource 7 ...".
absl::Status ResourceIdError(uint32_t resource_id, absl::string_view problem);
absl::Status ContextIdError(uint32_t ctx_id, absl::string_view problem);
absl::Status ScanoutIdError(uint32_t scanout_id, absl::string_view problem);

// The one place where an error becomes a virtio-gpu response type (virtio 1.3,
// 5.7.6.7): the id at fault for the errors above, else the type nearest to the
// code. `status` is not OK.
wire::Type ErrorResponseType(const absl::Status& status);

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_ERROR_H_
