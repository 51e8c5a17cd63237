#ifndef NACRE_DEVICES_VIRTIO_GPU_BLOB_WINDOW_H_
#define NACRE_DEVICES_VIRTIO_GPU_BLOB_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "devices/virtio_gpu/context.h"

namespace nacre::virtio_gpu {

// The host-visible shared memory region (virtio 1.3, 5.7.6.8), into which the
// device maps blobs: HostVisibleWindow where the device lives in the VMM's
// process, requests to that process where it does not.
//
// Offsets and sizes are guest-controlled. No thread, no lock: one caller at a
// time.
class BlobWindow {
 public:
  virtual ~BlobWindow() = default;

  // The memory that the hypervisor shows to the guest; empty where the window
  // has none, or has it in another process.
  virtual std::span<uint8_t> host() const = 0;

  // Maps `size` bytes of `blob` at `offset`. Errors, nothing changed:
  // InvalidArgument for an empty or unaligned range, OutOfRange for one beyond
  // the window, AlreadyExists for one that overlaps another,
  // ResourceExhausted for one mapping too many; the errno of mmap.
  virtual absl::Status Map(uint64_t offset, uint64_t size,
                           const BlobMemory& blob) = 0;

  // Takes away the mapping that begins at `offset`. NotFound where none does.
  // An errno of mmap leaves the range taken, since it may still show the blob.
  virtual absl::Status Unmap(uint64_t offset) = 0;

  // Takes away every mapping, and frees what the guest wrote elsewhere. Errors:
  // the errno of mmap, where what could not be taken away stays mapped, for
  // another Clear; Unavailable where whoever has the memory is gone.
  virtual absl::Status Clear() = 0;

  virtual size_t num_mappings() const = 0;
  virtual uint64_t mapped_bytes() const = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_BLOB_WINDOW_H_
