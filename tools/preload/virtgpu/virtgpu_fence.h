#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_FENCE_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_FENCE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "tools/guest_kernel/fence.h"
#include "tools/preload/fence.h"

namespace nacre::preload {

// A fence of the guest's driver (Linux virtgpu_fence.c). Every fence of a
// VirtgpuGpu is one.
class VirtgpuFence final : public Fence {
 public:
  explicit VirtgpuFence(std::shared_ptr<guest_kernel::Fence> fence)
      : fence_(std::move(fence)) {}

  bool signalled() const override { return fence_->signalled(); }
  uint64_t context() const override { return fence_->context(); }
  const char* driver_name() const override { return "virtio_gpu"; }
  const char* timeline_name() const override { return "controlq"; }

  guest_kernel::Fence& get() const { return *fence_; }

 private:
  const std::shared_ptr<guest_kernel::Fence> fence_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_FENCE_H_
