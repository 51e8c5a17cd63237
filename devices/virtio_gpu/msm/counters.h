#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_

#include <array>
#include <cstdint>

#include "base/counter.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// What all msm contexts of a device did, for the VMM's summary. Written and
// read from any thread, each field by itself.
struct Counters {
  // By msm_ccmd; [0] counts commands of no known kind.
  std::array<SharedCounter, MSM_CCMD_LAST> ccmds;
  SharedCounter malformed;       // Ccmds or streams that break the wire format.
  SharedCounter refused_ioctls;  // IOCTL_SIMPLE with a code we do not pass on.
  SharedCounter
      async_errors;       // Errors told to a guest by msm_shmem::async_error.
  SharedCounter submits;  // GEM_SUBMITs that the driver accepted.
  SharedCounter submit_bos;  // Buffer entries in them.
  SharedCounter upload_bytes;
  SharedCounter objects_created;
  SharedCounter objects_imported;
  SharedCounter contexts_created;

  SharedGauge contexts;
  SharedGauge files;  // Open render nodes: contexts, or blobs that outlive one.
  SharedGauge objects;       // GEM handles.
  SharedGauge object_bytes;  // Size of created objects; of imported ones, which
                             // are no new memory, those in BusyObjects.
  SharedGauge submitqueues;
  SharedGauge unfinished_bytes;  // See UnfinishedWork.
  SharedGauge control_memories;  // Blobs of msm_shmem.
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_
