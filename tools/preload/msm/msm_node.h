#ifndef NACRE_TOOLS_PRELOAD_MSM_MSM_NODE_H_
#define NACRE_TOOLS_PRELOAD_MSM_MSM_NODE_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "simulator/simulated_file.h"
#include "tools/preload/msm/msm_gpu.h"
#include "tools/preload/render_node.h"

namespace nacre::preload {

// The render node of the msm driver (Linux drivers/gpu/drm/msm/msm_drv.c).
class MsmNode final : public RenderNode {
 public:
  explicit MsmNode(MsmGpu& gpu);

  // At an offset that GEM_INFO gave. EINVAL.
  absl::StatusOr<void*> Map(const MapRequest& request) override;

  MsmGpu& gpu() override { return gpu_; }
  DriverVersion version() const override;
  absl::Status CloseObject(uint32_t handle) override;
  absl::StatusOr<Exported> ExportObject(uint32_t handle) override;
  absl::StatusOr<uint32_t> ImportObject(int fd) override;

  // --- For the functions that answer ioctls. ---

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

  MsmGpu& gpu_;
  Mutex mutex_;
  const std::unique_ptr<simulator::SimulatedFile> file_
      ABSL_PT_GUARDED_BY(mutex_);
};

// By subject, each beside its functions.
std::span<const IoctlEntry> MsmIoctls();        // msm_ioctls.cc
std::span<const IoctlEntry> MsmSubmitIoctls();  // submit_ioctls.cc

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_MSM_MSM_NODE_H_
