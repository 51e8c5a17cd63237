#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_NODE_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_NODE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_fd.h"
#include "base/mutex.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"
#include "tools/preload/render_node.h"
#include "tools/preload/virtgpu/event_queue.h"
#include "tools/preload/virtgpu/virtgpu_gpu.h"
#include "tools/preload/virtgpu/virtgpu_object.h"

namespace nacre::preload {

// The render node of the virtio_gpu driver (Linux drivers/gpu/drm/virtio/
// virtgpu_ioctl.c, virtgpu_submit.c, virtgpu_gem.c and virtgpu_prime.c).
class VirtgpuNode final : public RenderNode {
 public:
  VirtgpuNode(VirtgpuGpu& gpu, EventFd event);
  // As close(2) of the last descriptor: handles first, then the context.
  ~VirtgpuNode() override;

  absl::StatusOr<size_t> Read(void* bytes, size_t size) override;
  // At an offset that VIRTGPU_MAP gave. EINVAL.
  absl::StatusOr<void*> Map(const MapRequest& request) override;

  VirtgpuGpu& gpu() override { return gpu_; }
  DriverVersion version() const override;
  absl::Status CloseObject(uint32_t handle) override;
  absl::StatusOr<Exported> ExportObject(uint32_t handle) override;
  absl::StatusOr<uint32_t> ImportObject(int fd) override;

  // --- For the functions that answer ioctls. ---

  // CONTEXT_INIT's parameters, as far as they were given.
  struct ContextInit {
    std::optional<uint32_t> capset_id;
    std::optional<uint32_t> num_rings;
    uint64_t poll_rings_mask = 0;
    std::optional<std::string> debug_name;
  };
  // Calls `fill` to complete them, then makes the context. EEXIST where there
  // is one; an error of `fill` leaves what it gave before.
  template <typename Fill>
  absl::Status InitContext(Fill fill) {
    MutexLock lock(context_mutex_);
    if (context_ != nullptr) return ContextExists();
    if (absl::Status status = fill(init_); !status.ok()) return status;
    CreateContext();
    return absl::OkStatus();
  }
  // The context, made with what CONTEXT_INIT left where there is none.
  guest_kernel::Context& context();
  // Rings whose fences are events.
  uint64_t poll_rings_mask() const { return poll_rings_mask_; }
  // Null without a ring in that mask.
  const std::shared_ptr<EventQueue>& events() const { return events_; }

  // A new handle of the object, which is attached to the context.
  uint32_t Insert(std::shared_ptr<VirtgpuObject> object);
  // Null for what is no handle.
  std::shared_ptr<VirtgpuObject> Find(uint32_t handle);
  // ENOENT unless all are handles.
  absl::StatusOr<std::vector<std::shared_ptr<VirtgpuObject>>> FindAll(
      std::span<const uint32_t> handles);

  // VIRTGPU_MAP.
  static uint64_t OffsetOf(uint32_t handle);

 private:
  static absl::Status ContextExists();
  void CreateContext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(context_mutex_);
  uint32_t InsertLocked(std::shared_ptr<VirtgpuObject> object)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  VirtgpuGpu& gpu_;
  const std::shared_ptr<EventQueue> events_;

  Mutex context_mutex_;
  ContextInit init_ ABSL_GUARDED_BY(context_mutex_);
  std::unique_ptr<guest_kernel::Context> context_
      ABSL_GUARDED_BY(context_mutex_);
  // context_, and a part of init_, for those who need no lock: set once.
  std::atomic<guest_kernel::Context*> made_context_{nullptr};
  std::atomic<uint64_t> poll_rings_mask_{0};

  Mutex mutex_;
  // By handle; the lowest free number is given first, and 0 is none.
  std::vector<std::shared_ptr<VirtgpuObject>> objects_ ABSL_GUARDED_BY(mutex_);
  uint32_t lowest_free_ ABSL_GUARDED_BY(mutex_) = 1;
};

// By subject, each beside its functions.
std::span<const IoctlEntry> VirtgpuIoctls();      // virtgpu_ioctls.cc
std::span<const IoctlEntry> VirtgpuBlobIoctls();  // blob_ioctls.cc
std::span<const IoctlEntry> ExecbufferIoctls();   // execbuffer.cc

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_NODE_H_
