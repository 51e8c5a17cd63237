#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_LIMITS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace nacre::msm {

// How much of the host one guest may hold through its msm contexts. Each is
// checked before anything is made; how a guest learns of it is said with each.
// What a context held is free again once it is gone, except for blobs that
// outlive it and objects that the GPU still works on: those when they go.
struct Limits {
  // Attack stopped: contexts (or blobs that keep the file of a dead context
  // open) until the process is out of file descriptors. CTX_CREATE answers
  // OUT_OF_MEMORY.
  uint64_t max_files = 1024;
  // Attack stopped: the host's memory used up by buffers; in bytes, of all
  // contexts. GEM_NEW fails with ENOMEM: its SUBMIT_3D answers
  // OUT_OF_MEMORY, msm_shmem::async_error counts up, and the
  // RESOURCE_CREATE_BLOB behind it answers INVALID_PARAMETER, as there is no
  // object.
  uint64_t max_object_bytes = uint64_t{16} << 30;
  // Attack stopped: one program of the guest taking all of that. In bytes, of
  // the objects that a context made and that it or a blob still holds. As
  // above.
  uint64_t max_context_object_bytes = uint64_t{16} << 30;
  // Attack stopped: kernel memory for queues, of one context; programs have a
  // handful. SUBMITQUEUE_NEW answers -ENOSPC.
  size_t max_submitqueues = 256;
  // Attack stopped: control memory, by blobs of it that outlive their contexts.
  // RESOURCE_CREATE_BLOB answers OUT_OF_MEMORY.
  uint64_t max_control_memories = 4096;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_LIMITS_H_
