#ifndef NACRE_DEVICES_VIRTIO_GPU_LIMITS_H_
#define NACRE_DEVICES_VIRTIO_GPU_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace nacre::virtio_gpu {

// How much of the host one guest may hold through its virtio-gpu device. Each
// is checked before anything is allocated; going past one is an error response,
// OUT_OF_MEMORY where no other is named, and never an end of the VM. Once what
// held it is gone (unmapped, unreferenced, destroyed, signalled, or all of it
// by a reset) it can be had again.
struct Limits {
  // Host heap, by creating resources without end.
  size_t max_resources = 131072;
  // Host heap and the context type's own state, by creating contexts.
  size_t max_contexts = 4096;
  // Host heap, and the time of a reset, which ends every context with what is
  // attached to it, by attaching every resource to every context. A resource
  // that a context makes is attached to it even so.
  size_t max_attachments = 1 << 18;
  // Host heap, and the time of one request, by a scatter list of one-byte
  // pieces. Of one resource: 256 MiB of single pages.
  uint32_t max_mem_entries = 65536;
  // Host heap, by many such lists.
  size_t max_total_mem_entries = 1 << 20;
  // Host heap and the device's time, by one huge SUBMIT_3D.
  uint32_t max_submit_bytes = 4 << 20;
  // Integer overflow downstream, by an absurd blob. INVALID_PARAMETER.
  uint64_t max_blob_bytes = uint64_t{16} << 30;
  // Overflow of pixel arithmetic, by absurd dimensions; an embedder's stays
  // below 1 << 31. INVALID_PARAMETER.
  uint32_t max_image_dimension = 16384;
  // Host memory, by 2D resources: their pixels live in our heap.
  uint64_t max_total_image_bytes = uint64_t{256} << 20;
  // Host memory, by scanouts larger than any display, of a blob whose entries
  // name the same page again and again: sinks keep copies. Of one scanout.
  uint64_t max_scanout_bytes = uint64_t{64} << 20;
  // Mappings of this process (vm.max_map_count is 65530 by default; a mapped
  // blob costs one, and the gap behind it another), by mapping many blobs. The
  // rest is for context types: nine for each of msm's files, and the simulated
  // GPU's 4096.
  size_t max_mapped_blobs = 24000;
  // Page tables and, on real GPUs, pinned memory, by mapping huge blobs; in
  // bytes. Beyond the window's size it limits nothing.
  uint64_t max_mapped_bytes = UINT64_MAX;
  // Descriptors of this process, and its thread that watches them, by work that
  // does not end: fences that wait for the GPU. A fenced SUBMIT_3D beyond it is
  // answered OUT_OF_MEMORY, in its place behind the earlier fences of its
  // timeline, and not executed. Each holds a chain of the control queue, so
  // that the default is as many as there can be.
  size_t max_pending_fences = 512;
  // The host's disk, by doing wrong without end: lines of the log. What is not
  // logged is counted; the guest sees no difference.
  uint32_t log_lines_per_second = 10;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_LIMITS_H_
