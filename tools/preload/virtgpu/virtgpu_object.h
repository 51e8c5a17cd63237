#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_OBJECT_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_OBJECT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"
#include "tools/preload/open_file.h"
#include "tools/preload/virtgpu/virtgpu_fence.h"

namespace nacre::preload {

// A GEM object over a blob of the host (Linux virtgpu_vram.c), which handles,
// dma-bufs and pending submissions share. Thread-safe.
//
// What the program mapped of it goes on being the host's memory when the object
// is gone; in a guest the mapping would keep the object itself.
class VirtgpuObject {
 public:
  explicit VirtgpuObject(std::shared_ptr<guest_kernel::Blob> blob)
      : blob_(std::move(blob)) {}

  guest_kernel::Blob& blob() const { return *blob_; }

  // mmap(2): the whole object, shared; EINVAL for a part (as before Linux
  // 6.17), for an object that is not mappable, or that the device did not map.
  // Waits for the device to have done so.
  absl::StatusOr<void*> Map(const OpenFile::MapRequest& request);

  // A descriptor of the object's dma-buf, close-on-exec: it has the object's
  // size, and the same inode each time. EMFILE.
  absl::StatusOr<Fd> NewDmaBufFd();

  // Its reservation object: the fences of the submissions that name it.
  void AddFence(std::shared_ptr<const VirtgpuFence> fence);
  bool Idle();
  // False when the deadline passed first.
  bool WaitIdle(std::chrono::steady_clock::time_point deadline);

 private:
  using Fences = std::vector<std::shared_ptr<const VirtgpuFence>>;

  const std::shared_ptr<guest_kernel::Blob> blob_;
  Mutex mutex_;
  Fences fences_ ABSL_GUARDED_BY(mutex_);  // One of each context at most.
  Fd dma_buf_ ABSL_GUARDED_BY(mutex_);     // Made when first asked for.
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_OBJECT_H_
