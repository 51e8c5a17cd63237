#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_LIMITS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace nacre::msm {

// How much of the host one guest may hold through its msm contexts. Each is
// checked before anything is made; how a guest learns of it is said with each.
// What a context held is free again once it is gone, except for blobs that
// outlive it, until they go, and objects that the GPU still worked on, or
// that are shared and were let go of in another's GEM_SUBMIT, with their files:
// those once it is done, no such blob is left, and a context is made, submits,
// asks for memory or has waited for a fence, or the guest's driver starts or
// ends.
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
  // Attack stopped: memory of the host's kernel, and the time of a reset, used
  // up by handles: of small objects that the guest lets go of while the GPU
  // works on them, or of one object in each context. Of all contexts; above
  // what virtio_gpu::Limits lets a guest have by its resources and attachments.
  // GEM_NEW as above; CTX_ATTACH_RESOURCE answers OUT_OF_MEMORY.
  uint64_t max_objects = uint64_t{1} << 19;
  // Attack stopped: one program of the guest taking all of that. In bytes, of
  // the objects that a context made and that it or a blob still holds. As
  // above.
  uint64_t max_context_object_bytes = uint64_t{8} << 30;
  // Attack stopped: kernel memory for queues, of one context; programs have a
  // handful. SUBMITQUEUE_NEW answers -ENOSPC.
  size_t max_submitqueues = 256;
  // Attack stopped: memory of the host's kernel, or the simulator's, used up by
  // submissions behind one that is let wait. In bytes, as
  // UnfinishedWork::BytesOf counts, of what the GPU has not finished, of all
  // contexts, also those that have ended; 256 KiB at least for each priority
  // that a context uses. What a driver adds for each other context whose work
  // on the same buffers a submission has to wait for is not in it (Linux: about
  // 9 bytes). GEM_SUBMIT fails with ENOMEM: its SUBMIT_3D answers
  // OUT_OF_MEMORY, and msm_shmem::async_error counts up. A guest that never
  // has half as much unfinished, less half a MiB for each of these priorities,
  // does not meet it.
  uint64_t max_unfinished_bytes = uint64_t{1} << 30;
  // Attack stopped: one program of the guest taking all of that. As above; of
  // one context, more than 100,000 small submissions.
  uint64_t max_context_unfinished_bytes = uint64_t{128} << 20;
  // Attack stopped: control memory, of Shmem::kMaxSize (64 KiB) at most, by
  // blobs of it that outlive their contexts. Contexts keep their last one
  // besides. RESOURCE_CREATE_BLOB answers OUT_OF_MEMORY.
  uint64_t max_control_memories = 4096;
};

// Attack stopped: minutes of one thread, by calls of the driver that take their
// time. Ccmds of one SUBMIT_3D; Mesa's have less than 1024, in 16 KiB. With
// more nothing of it is executed: it answers OUT_OF_MEMORY, and
// msm_shmem::async_error counts up.
inline constexpr size_t kMaxCcmds = 4096;

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_LIMITS_H_
