#ifndef NACRE_TOOLS_GUEST_KERNEL_VIRTIO_GPU_DRIVER_H_
#define NACRE_TOOLS_GUEST_KERNEL_VIRTIO_GPU_DRIVER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/wire.h"
#include "tools/guest_kernel/control_queue.h"
#include "tools/guest_kernel/counters.h"
#include "tools/guest_kernel/fence.h"
#include "tools/guest_kernel/platform.h"
#include "tools/guest_kernel/virtio_pci.h"
#include "tools/guest_kernel/window_allocator.h"

namespace nacre::guest_kernel {

class VirtioGpuDriver;

// A blob in the host-visible window.
struct MappedBlob {
  uint8_t* address = nullptr;  // In this process: the guest sees the same.
  uint64_t size = 0;
  uint64_t offset = 0;  // In the window.
  virtio_gpu::MapCaching caching = virtio_gpu::MapCaching::kNone;
};

// RESOURCE_CREATE_BLOB of mem type HOST3D (Linux's "vram" objects, which have
// no pages of the guest).
struct BlobParams {
  uint32_t flags = 0;    // VIRTIO_GPU_BLOB_FLAG_USE_*.
  uint64_t blob_id = 0;  // The context's name for the host's object.
  uint64_t size = 0;     // In bytes, not 0; rounded up to a page.
};

// A resource over an object of the host. The last reference sends UNMAP_BLOB
// (where it was mapped) and UNREF, and kicks; its place in the window is free
// again when UNREF is answered. May outlive the context, not the driver.
class Blob {
 public:
  Blob(const Blob&) = delete;
  Blob& operator=(const Blob&) = delete;
  ~Blob();

  uint32_t resource_id() const { return resource_id_; }
  uint64_t size() const { return size_; }
  uint32_t flags() const { return flags_; }
  bool mappable() const;

  // What mmap does: waits for the answer to MAP_BLOB, which may have come long
  // ago. InvalidArgument where the blob is not mappable or the device refused.
  absl::StatusOr<MappedBlob> WaitMapped();

 private:
  friend class Context;
  class Place;

  Blob(VirtioGpuDriver* driver, uint32_t resource_id, uint32_t flags,
       uint64_t size);
  // RESOURCE_MAP_BLOB. ResourceExhausted.
  absl::Status Map();

  VirtioGpuDriver* const driver_;
  const uint32_t resource_id_;
  const uint32_t flags_;
  const uint64_t size_;
  std::shared_ptr<Place> place_;  // Null where it has none.
};

struct ContextParams {
  uint32_t capset_id = 0;
  uint32_t num_rings = 0;  // At most 64: timelines of its own.
  std::string name;        // debug_name; cut at 63 bytes.
};

// A rendering context: what an open file of the render node has. Destroying it
// sends CTX_DESTROY, and kicks; its fences still signal. Thread-safe. Does not
// outlive the driver.
class Context {
 public:
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  uint32_t id() const { return id_; }
  uint32_t num_rings() const { return num_rings_; }
  // The dma-fence context of a ring's fences, below num_rings().
  uint64_t ring_fence_context(uint32_t ring) const {
    return base_fence_context_ + ring;
  }

  // SUBMIT_3D, and a kick where the device wants one. `commands` is copied,
  // once. Never waits but for a place in the ring. `fenced` says whether the
  // command carries a fence, returned, null otherwise: on timeline `ring`, or
  // on the global one without. (Without a fence the device does not hear of the
  // ring.) InvalidArgument for commands beyond kMaxSubmitBytes or a ring that
  // is none.
  absl::StatusOr<std::shared_ptr<Fence>> Submit(
      std::span<const uint8_t> commands, std::optional<uint32_t> ring,
      bool fenced);

  // As virtgpu_vram.c and DRM_VIRTGPU_RESOURCE_CREATE_BLOB do: SUBMIT_3D of
  // `commands`, where there are any; RESOURCE_CREATE_BLOB; RESOURCE_MAP_BLOB
  // where `params.flags` has USE_MAPPABLE. Waits for no answer and does not
  // kick. InvalidArgument for such commands or no size; ResourceExhausted where
  // the window is full (ENOSPC).
  absl::StatusOr<std::shared_ptr<Blob>> CreateBlob(
      const BlobParams& params, std::span<const uint8_t> commands);

  // CTX_ATTACH_RESOURCE and CTX_DETACH_RESOURCE, which a handle's creation and
  // closing send. Neither waits nor kicks.
  void Attach(const Blob& blob);
  void Detach(const Blob& blob);

  // RESOURCE_ASSIGN_UUID, of a blob with USE_CROSS_DEVICE. Neither waits nor
  // kicks; there is no other device here to give the answer to.
  void AssignUuid(const Blob& blob);

  // TRANSFER_TO_HOST_3D or TRANSFER_FROM_HOST_3D, `type` says which; kicks, and
  // does not wait: the fence is on the global timeline.
  std::shared_ptr<Fence> Transfer(
      virtio_gpu::wire::Type type,
      const virtio_gpu::wire::TransferHost3d& transfer);

 private:
  friend class VirtioGpuDriver;
  Context(VirtioGpuDriver* driver, const ContextParams& params);

  absl::Status CheckCommands(std::span<const uint8_t> commands) const;
  GpuCommand SubmitCommand(std::span<const uint8_t> commands) const;

  VirtioGpuDriver* const driver_;
  const uint32_t id_;
  const uint32_t num_rings_;
  const uint64_t base_fence_context_;
};

// Linux's virtio-gpu driver below its ioctls (virtgpu_kms.c, virtgpu_vq.c,
// virtgpu_fence.c, virtgpu_vram.c): the same commands in the same order. Any
// thread calls; one thread takes the interrupts.
//
// Commands are queued and forgotten, but where it says that a method waits.
// An error response that nobody waits for is counted, and logged for the first
// few.
class VirtioGpuDriver {
 public:
  // A larger SUBMIT_3D is refused here, as the device would.
  static constexpr uint64_t kMaxSubmitBytes = ControlQueue::kMaxPayload;
  static constexpr uint32_t kMaxRings = 64;

  struct Capset {
    uint32_t id;
    uint32_t max_version;
    uint32_t max_size;
  };

  // RAM that it needs.
  static constexpr uint64_t kRamBytes = uint64_t{5} << 29;

  // Sets up the device at `address`; `platform`, whose RAM and interrupts are
  // the driver's alone, outlives it. NotFound where there is no such device,
  // FailedPrecondition where it lacks what this driver cannot do without:
  // blobs, EVENT_IDX, indirect tables. DeadlineExceeded where it does not
  // answer.
  static absl::StatusOr<std::unique_ptr<VirtioGpuDriver>> Probe(
      Platform* platform, vmm::PciAddress address);
  // All contexts and blobs are gone before. Resets the device; fences that are
  // pending never signal.
  ~VirtioGpuDriver();

  // Negotiated feature bits (wire.h), and what GET_CAPSET_INFO told.
  uint64_t features() const { return features_; }
  bool has_host_visible() const { return !window_.empty(); }
  std::span<const Capset> capsets() const { return capsets_; }

  // GET_CAPSET, answered from what was asked before where it was. Waits, at
  // most 5 s: DeadlineExceeded. InvalidArgument for one that is none.
  absl::StatusOr<std::vector<uint8_t>> GetCapset(uint32_t id, uint32_t version);

  // CTX_CREATE with the smallest free id, and a kick. Does not wait.
  std::unique_ptr<Context> CreateContext(const ContextParams& params);

  // virtio_gpu_notify: kicks for what was queued since the last time, where the
  // device asked for it.
  void Notify() { queue_->Notify(); }

  uint64_t global_fence_context() const { return kGlobalFenceContext; }
  const DriverCounters& counters() const { return counters_; }

 private:
  friend class Blob;
  friend class Context;

  // A command whose response a thread sleeps for.
  class Answer;

  static constexpr uint64_t kGlobalFenceContext = 1;

  explicit VirtioGpuDriver(Platform* platform) : platform_(platform) {}
  absl::Status SetUp(vmm::PciAddress address);
  absl::Status SetUpQueues();
  absl::Status ReadCapsets();
  void TakeInterrupts();

  // Waits for `event`, as a round trip where that takes sleep. False once
  // `deadline` has passed.
  bool WaitForAnswer(OneShot& event, OneShot::Deadline deadline = std::nullopt);
  uint32_t TakeContextId();
  void FreeContextId(uint32_t id);

  Platform* const platform_;
  DriverCounters counters_;
  std::unique_ptr<VirtioPciDevice> device_;
  uint64_t features_ = 0;
  std::span<uint8_t> window_;
  std::unique_ptr<WindowAllocator> places_;  // In the window.
  std::unique_ptr<ControlQueue> queue_;
  std::vector<Capset> capsets_;
  std::thread interrupt_thread_;

  std::atomic<uint32_t> next_resource_id_{2};
  std::atomic<uint64_t> next_fence_context_{kGlobalFenceContext + 1};
  Mutex mutex_;
  std::vector<bool> context_ids_ ABSL_GUARDED_BY(mutex_);  // In use; from 1.
  std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<Answer>>
      capset_answers_ ABSL_GUARDED_BY(mutex_);  // By id and version.
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_VIRTIO_GPU_DRIVER_H_
