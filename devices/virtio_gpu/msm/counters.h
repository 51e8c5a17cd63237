#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_

#include <array>
#include <cstdint>

#include "base/counter.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// What all msm contexts of a device did, for the VMM's summary and control
// socket. Read from any thread, each field by itself.
struct Counters {
  // By msm_ccmd; [0] counts commands of no known kind.
  std::array<Counter, MSM_CCMD_LAST> ccmds;
  Counter malformed;       // Ccmds or streams that break the wire format.
  Counter refused_ioctls;  // IOCTL_SIMPLE with a code we do not pass on.
  Counter async_errors;    // Errors told to a guest by msm_shmem::async_error.
  Counter submits;         // GEM_SUBMITs that the driver accepted.
  Counter submit_bos;      // Buffer entries in them.
  Counter upload_bytes;
  Counter objects_created;
  Counter objects_imported;
  Counter contexts_created;

  Gauge contexts;
  Gauge files;    // Open render nodes: contexts, or blobs that outlive one.
  Gauge objects;  // GEM handles.
  Gauge object_bytes;  // Size of created objects; imported ones are no new
                       // memory.
  Gauge submitqueues;
  Gauge control_memories;  // Blobs of msm_shmem.
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_
