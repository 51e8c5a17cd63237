#ifndef NACRE_DEVICES_VIRTIO_GPU_JOB_H_
#define NACRE_DEVICES_VIRTIO_GPU_JOB_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/rings.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// A request from the pop to the used ring.
struct Job {
  size_t queue = 0;  // Of Rings.
  QueueKind kind = QueueKind::kControl;
  RingRequest request;
  CommandHeader header;
  // The bytes behind the header, once they have been read, but for a SUBMIT_3D;
  // they may be in `kept`, or in a buffer that is somebody's.
  std::optional<std::span<const uint8_t>> body;
  std::vector<uint8_t> kept;
  // While it is being executed, but for a SUBMIT_3D; null where it is
  // malformed.
  const Command* command = nullptr;
  // In Parking, for one that others may have to wait for.
  uint64_t ticket = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_JOB_H_
