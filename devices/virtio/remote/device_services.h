#ifndef NACRE_DEVICES_VIRTIO_REMOTE_DEVICE_SERVICES_H_
#define NACRE_DEVICES_VIRTIO_REMOTE_DEVICE_SERVICES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace nacre::virtio {

// What the VMM's process does for a device in another one. In the VMM the real
// thing, which trusts no argument: the device's process may be in the guest's
// hands. In the device's process ServiceClient, which asks for it.
class DeviceServices {
 public:
  virtual ~DeviceServices() = default;

  // Shows `size` bytes of `file` (borrowed), from `file_offset` on, to the
  // guest at `offset` of the device's shared memory region. Errors:
  // InvalidArgument, OutOfRange, AlreadyExists, ResourceExhausted for ranges;
  // PermissionDenied for a file that could stop a guest or a host which touches
  // it; the errno.
  virtual absl::Status MapRegion(uint64_t offset, uint64_t size,
                                 uint64_t file_offset, int file) = 0;
  // Takes away what was mapped at `offset`. NotFound where nothing was.
  virtual absl::Status UnmapRegion(uint64_t offset) = 0;
  // Takes away everything.
  virtual absl::Status ClearRegion() = 0;

  // The host device that this one works with, opened anew: its process cannot
  // open anything. FailedPrecondition where there is none; the errno.
  virtual absl::StatusOr<Fd> OpenNode() = 0;
};

}  // namespace nacre::virtio

#endif  // NACRE_DEVICES_VIRTIO_REMOTE_DEVICE_SERVICES_H_
