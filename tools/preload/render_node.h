#ifndef NACRE_TOOLS_PRELOAD_RENDER_NODE_H_
#define NACRE_TOOLS_PRELOAD_RENDER_NODE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "simulator/simulated_file.h"
#include "tools/preload/gpu.h"
#include "tools/preload/open_file.h"
#include "tools/preload/syncobj_table.h"

namespace nacre::preload {

// The render node, opened: the DRM core's and the msm driver's ioctls (Linux
// drivers/gpu/drm/drm_ioctl.c and msm/msm_drv.c). Threads may wait for the GPU
// in one ioctl while others go on.
class RenderNode final : public OpenFile {
 public:
  static constexpr dev_t kDevice = 226 << 8 | 128;

  explicit RenderNode(Gpu& gpu);

  absl::Status Ioctl(uint32_t request, void* argument) override;

  // mmap(2) of `length` bytes at an offset that GEM_INFO gave: calls `map` with
  // what to map instead, which stays valid during the call. EINVAL.
  template <typename Map>
  absl::Status MapObject(uint64_t offset, size_t length, Map map) {
    MutexLock lock(mutex_);
    absl::StatusOr<msm::GemMemory> memory = MemoryAt(offset, length);
    if (!memory.ok()) return memory.status();
    map(*memory);
    return absl::OkStatus();
  }

  // --- For the functions that answer ioctls. ---

  Gpu& gpu() { return gpu_; }
  SyncobjTable& syncobjs() { return syncobjs_; }

  // Calls `use` with the file, which one thread uses at a time.
  template <typename Use>
  auto WithFile(Use use) {
    MutexLock lock(mutex_);
    return use(*file_);
  }

  // GEM_INFO GET_OFFSET.
  static uint64_t OffsetOf(uint32_t handle);

 private:
  absl::StatusOr<msm::GemMemory> MemoryAt(uint64_t offset, size_t length)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Gpu& gpu_;
  SyncobjTable syncobjs_;
  Mutex mutex_;
  const std::unique_ptr<simulator::SimulatedFile> file_
      ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_RENDER_NODE_H_
