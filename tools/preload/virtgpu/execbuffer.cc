#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/preload/user_pointer.h"
#include "tools/preload/virtgpu/virtgpu_node.h"
#include "tools/preload/virtgpu/virtgpu_uapi.h"

// EXECBUFFER (virtgpu_submit.c): what it waits for, it waits for here, before
// the command is queued.

namespace nacre::preload {
namespace {

using Objects = std::vector<std::shared_ptr<VirtgpuObject>>;

struct OutSyncobj {
  std::shared_ptr<Syncobj> syncobj;
  uint64_t point;
};
// Most submissions have none or one.
using OutSyncobjs = absl::InlinedVector<OutSyncobj, 2>;

// The syncobjs that go back to empty, once waited for, however the submission
// ends.
class Resets {
 public:
  Resets() = default;
  Resets(const Resets&) = delete;
  Resets& operator=(const Resets&) = delete;
  ~Resets() {
    for (const auto& syncobj : syncobjs_) syncobj->Replace(std::nullopt);
  }
  void Add(std::shared_ptr<Syncobj> syncobj) {
    syncobjs_.push_back(std::move(syncobj));
  }
  void Clear() { syncobjs_.clear(); }

 private:
  std::vector<std::shared_ptr<Syncobj>> syncobjs_;
};

// The event that a fence of a polled ring is, unless the submission fails.
class FenceEvent {
 public:
  FenceEvent() = default;
  FenceEvent(const FenceEvent&) = delete;
  FenceEvent& operator=(const FenceEvent&) = delete;
  ~FenceEvent() {
    if (queue_ != nullptr) queue_->Cancel();
  }
  absl::Status Reserve(const std::shared_ptr<EventQueue>& queue) {
    RETURN_IF_ERROR(queue->Reserve());
    queue_ = queue;
    return absl::OkStatus();
  }
  void AddOnceSignalled(guest_kernel::Fence& fence) {
    if (queue_ == nullptr) return;
    fence.OnSignal([queue = std::exchange(queue_, nullptr)] { queue->Add(); });
  }

 private:
  std::shared_ptr<EventQueue> queue_;
};

// The i-th syncobj of an array whose elements the program calls `stride` bytes
// long: what is missing of one is zero, what is more is not looked at.
drm_virtgpu_execbuffer_syncobj SyncobjAt(uint64_t array, uint32_t i,
                                         uint32_t stride) {
  drm_virtgpu_execbuffer_syncobj syncobj{};
  std::memcpy(&syncobj, UserPointer<const char>(array + uint64_t{i} * stride),
              std::min<size_t>(stride, sizeof(syncobj)));
  return syncobj;
}

// virtio_gpu_dma_fence_wait. Fences of the submission's own timeline are in
// order anyway.
void WaitFor(VirtgpuNode& node, const PendingWork& work, uint64_t own_context) {
  for (const std::shared_ptr<const Fence>& fence : work.fences()) {
    if (fence->context() == own_context || fence->signalled()) continue;
    node.gpu().execbuffers().waits_for_fences.fetch_add(
        1, std::memory_order_relaxed);
    static_cast<const VirtgpuFence&>(*fence).get().Wait();
  }
}

// virtio_gpu_parse_post_deps.
absl::StatusOr<OutSyncobjs> FindOutSyncobjs(
    VirtgpuNode& node, const drm_virtgpu_execbuffer& argument) {
  OutSyncobjs found;
  for (uint32_t i = 0; i < argument.num_out_syncobjs; ++i) {
    const drm_virtgpu_execbuffer_syncobj out =
        SyncobjAt(argument.out_syncobjs, i, argument.syncobj_stride);
    std::shared_ptr<Syncobj> syncobj = node.syncobjs().Find(out.handle);
    if (out.flags != 0 || syncobj == nullptr) {
      return ErrnoStatus(EINVAL, absl::StrCat("out-syncobj ", out.handle));
    }
    found.push_back({.syncobj = std::move(syncobj), .point = out.point});
  }
  return found;
}

// virtio_gpu_parse_deps.
absl::Status WaitForSyncobjs(VirtgpuNode& node,
                             const drm_virtgpu_execbuffer& argument,
                             uint64_t own_context, Resets& resets) {
  for (uint32_t i = 0; i < argument.num_in_syncobjs; ++i) {
    const drm_virtgpu_execbuffer_syncobj in =
        SyncobjAt(argument.in_syncobjs, i, argument.syncobj_stride);
    if ((in.flags & ~VIRTGPU_EXECBUF_SYNCOBJ_RESET) != 0) {
      return ErrnoStatus(EINVAL, "in-syncobj flags");
    }
    std::shared_ptr<Syncobj> syncobj = node.syncobjs().Find(in.handle);
    if (syncobj == nullptr) {
      return ErrnoStatus(ENOENT, absl::StrCat("in-syncobj ", in.handle));
    }
    const std::optional<PendingWork> work = syncobj->Find(in.point);
    if (!work) return ErrnoStatus(EINVAL, "in-syncobj without a fence");
    WaitFor(node, *work, own_context);
    if ((in.flags & VIRTGPU_EXECBUF_SYNCOBJ_RESET) != 0) {
      resets.Add(std::move(syncobj));
    }
  }
  return absl::OkStatus();
}

// virtio_gpu_wait_in_fence.
absl::Status WaitForInFence(VirtgpuNode& node, int fd, uint64_t own_context) {
  const std::shared_ptr<SyncFile> file = node.gpu().sync_files().FindFile(fd);
  if (file == nullptr) return ErrnoStatus(EINVAL, "in-fence");
  WaitFor(node, file->work(), own_context);
  return absl::OkStatus();
}

void Signal(const OutSyncobj& out, const PendingWork& work) {
  if (out.point != 0) {
    out.syncobj->AddPoint(out.point, work);
  } else {
    out.syncobj->Replace(work);
  }
}

// The buffers live until the fence signals, as the kernel's list of a queued
// command keeps them.
void AddFence(Objects objects,
              const std::shared_ptr<const VirtgpuFence>& fence) {
  if (objects.empty()) return;
  for (const auto& object : objects) object->AddFence(fence);
  fence->get().OnSignal([kept = std::move(objects)] {});
}

void Count(ExecbufferCounters& counters, uint32_t ring, bool wants_descriptor) {
  counters.all.fetch_add(1, std::memory_order_relaxed);
  if (ring == 0 && wants_descriptor) {
    counters.synchronous.fetch_add(1, std::memory_order_relaxed);
  }
}

absl::Status Execbuffer(VirtgpuNode& node, drm_virtgpu_execbuffer& argument) {
  const bool has_ring = (argument.flags & VIRTGPU_EXECBUF_RING_IDX) != 0;
  const bool fence_out = (argument.flags & VIRTGPU_EXECBUF_FENCE_FD_OUT) != 0;
  if ((argument.flags & ~VIRTGPU_EXECBUF_FLAGS) != 0) {
    return ErrnoStatus(EINVAL, "EXECBUFFER flags");
  }
  guest_kernel::Context& context = node.context();
  const uint32_t ring = has_ring ? argument.ring_idx : 0;
  if (has_ring && ring >= context.num_rings()) {
    return ErrnoStatus(EINVAL, absl::StrCat("EXECBUFFER on ring ", ring));
  }
  const uint64_t fence_context =
      has_ring ? context.ring_fence_context(ring)
               : node.gpu().driver().global_fence_context();

  FenceEvent event;
  const bool polled = has_ring && (node.poll_rings_mask() >> ring & 1) != 0;
  if (polled) RETURN_IF_ERROR(event.Reserve(node.events()));
  ASSIGN_OR_RETURN(
      Objects objects,
      node.FindAll({UserPointer<const uint32_t>(argument.bo_handles),
                    argument.num_bo_handles}));
  std::optional<SyncFiles::Reserved> out_fd;
  if (fence_out) {
    ASSIGN_OR_RETURN(out_fd, SyncFiles::Reserve());
  }
  ASSIGN_OR_RETURN(const OutSyncobjs out, FindOutSyncobjs(node, argument));
  Resets resets;
  if (absl::Status status =
          WaitForSyncobjs(node, argument, fence_context, resets);
      !status.ok()) {
    resets.Clear();
    return status;
  }
  if ((argument.flags & VIRTGPU_EXECBUF_FENCE_FD_IN) != 0) {
    RETURN_IF_ERROR(WaitForInFence(node, argument.fence_fd, fence_context));
  }

  const bool fenced = fence_out || !out.empty() || !objects.empty() || polled;
  ASSIGN_OR_RETURN(
      std::shared_ptr<guest_kernel::Fence> made,
      context.Submit(
          {UserPointer<const uint8_t>(argument.command), argument.size},
          has_ring ? std::optional(ring) : std::nullopt, fenced));
  Count(node.gpu().execbuffers(), ring, fence_out);
  if (!fenced) return absl::OkStatus();

  const std::shared_ptr<const VirtgpuFence> fence =
      node.gpu().Announced(std::move(made));
  event.AddOnceSignalled(fence->get());
  AddFence(std::move(objects), fence);
  const PendingWork work(fence);
  if (out_fd) {
    argument.fence_fd =
        node.gpu().sync_files().Create(*std::move(out_fd), work);
  }
  for (const OutSyncobj& syncobj : out) Signal(syncobj, work);
  return absl::OkStatus();
}

}  // namespace

std::span<const IoctlEntry> ExecbufferIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_VIRTGPU_EXECBUFFER, Execbuffer>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
