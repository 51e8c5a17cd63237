#ifndef NACRE_DEVICES_VIRTIO_GPU_CONTEXT_H_
#define NACRE_DEVICES_VIRTIO_GPU_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace nacre::virtio_gpu {

// The plug for context types (virtio 1.3, 5.7.6.7: CONTEXT_INIT): a rendering
// dialect, named by a capset id, that a guest context speaks. The device knows
// these interfaces and no context type; a context type knows these interfaces
// and not the device. Every id, size and byte that comes in is
// guest-controlled; an error goes back to the guest as the virtio-gpu error
// response nearest to its code.
//
// Threads: the methods of a context are called one at a time, on changing
// threads, and the calls have an order. Those of a blob count as the context
// that made it, also when that is gone, and a call that is given a blob counts
// as both contexts. Different contexts may be in calls at the same time, and so
// may CreateContext: what they share needs a lock. A call should not block or
// wait for the GPU. One that does (a driver that allocates, say) holds up its
// context and no other one, for which the device goes on after a moment; but a
// reset of the device waits for it. FenceRing must not block at all. Cancel
// alone comes from any thread, and also while another call is under way.

// How the guest should map a blob (VIRTIO_GPU_MAP_CACHE_*).
enum class MapCaching : uint32_t {
  kNone = 0,
  kCached = 1,
  kUncached = 2,
  kWriteCombined = 3,
};

// Memory to place in the host-visible window: mmap of `fd` at `offset`, a
// multiple of the host's page. The fd is borrowed from the blob.
struct BlobMemory {
  int fd = -1;
  uint64_t offset = 0;
  MapCaching caching = MapCaching::kCached;
};

// The host object behind a blob resource of type HOST3D. Owned by the resource,
// may outlive the context that made it (guests unreference late); destroying it
// drops its share in the object.
class Blob {
 public:
  virtual ~Blob() = default;
  // In bytes, whole pages of the host.
  virtual uint64_t size() const = 0;
  // FailedPrecondition where the blob was not made mappable.
  virtual absl::StatusOr<BlobMemory> GetMemory() = 0;
  // A dma-buf of it, for other contexts and other devices. FailedPrecondition
  // where it was not made shareable.
  virtual absl::StatusOr<Fd> Export() = 0;
};

// RESOURCE_CREATE_BLOB of mem type HOST3D, checked as far as the device can.
struct BlobRequest {
  uint32_t resource_id = 0;  // Unused so far, non-zero.
  uint64_t blob_id = 0;
  uint64_t size = 0;  // Non-zero, whole pages of the host, below the cap.
  bool mappable = false;
  bool shareable = false;
  bool cross_device = false;
};

// Told of a context's fences before the guest is, so that what the guest looks
// at when a fence arrives can be made true first.
class FenceObserver {
 public:
  virtual ~FenceObserver() = default;
  // An fd of Context::FenceRing became readable; the guest has not heard of it.
  // Called on the thread that watches fences, one at a time, perhaps after the
  // end of the context. Every fence waits for this: it must not block.
  virtual void OnFenceSignalled() = 0;
};

// One guest context. Destroying it detaches all that is attached, and never
// waits: work on the GPU goes on, and fence fds handed out stay valid.
class Context {
 public:
  virtual ~Context() = default;

  // The device is being reset, and waits for the calls that are under way:
  // what they have not begun they need not do any more, nor need those that
  // may follow until the context is destroyed. Whatever they leave undone,
  // nobody will look. Any thread, more than once, with a lock of the caller's
  // held: must neither block nor call back.
  virtual void Cancel() = 0;

  // SUBMIT_3D: `commands` is a copy of the guest's bytes, ours to read. An
  // error is counted, logged and SUBMIT_3D's error response; what else tells
  // the guest is the dialect's. `fence_ring` is there where the request has a
  // fence: the ring (0..63) of the FenceRing that follows. What a fence costs,
  // others need not pay.
  virtual absl::Status Submit(std::span<const uint8_t> commands,
                              std::optional<uint8_t> fence_ring) = 0;

  // For the virtio fence of the last Submit, on its `fence_ring`: a pollable fd
  // that becomes readable when all work submitted on the ring so far is done,
  // or an invalid Fd where no such work is outstanding beyond what earlier
  // calls for this ring returned. (The device keeps the fences of a ring in
  // order itself.) An error leaves the device nothing to wait for but earlier
  // fences: what can fail belongs into Submit, which can tell the guest.
  virtual absl::StatusOr<Fd> FenceRing(uint8_t ring_idx) = 0;

  // Whom to tell of the fences that FenceRing returned; the same for all, or
  // null.
  virtual std::shared_ptr<FenceObserver> fence_observer() { return nullptr; }

  // Makes the blob, and `request.resource_id` a name for it in this context as
  // if AttachResource had been called.
  virtual absl::StatusOr<std::unique_ptr<Blob>> CreateBlob(
      const BlobRequest& request) = 0;

  // The device refused the RESOURCE_CREATE_BLOB of this blob_id, also one that
  // it could not decode, or the context itself did: what waits for it here has
  // nobody to claim it. The id may be unknown. A request that was cut short
  // before its id is not told of.
  virtual void CancelBlob(uint64_t /*blob_id*/) {}

  // The resource may be used in this context's commands from now on. Attaching
  // one that is attached already is fine. `blob` outlives the attachment.
  virtual absl::Status AttachResource(uint32_t resource_id, Blob& blob) = 0;
  // Ignores a resource that is not attached. Called for every attached
  // resource before that is destroyed.
  virtual void DetachResource(uint32_t resource_id) = 0;
};

// A kind of context; lives as long as the device.
class ContextType {
 public:
  virtual ~ContextType() = default;

  // GET_CAPSET_INFO and GET_CAPSET: id 1..63, the highest version, and the
  // capset itself, constant for the life of the device.
  virtual uint32_t capset_id() const = 0;
  virtual uint32_t capset_version() const = 0;
  virtual std::span<const uint8_t> capset() const = 0;

  // CTX_CREATE. `name` is the guest's, cut at 64 bytes, for humans only.
  virtual absl::StatusOr<std::unique_ptr<Context>> CreateContext(
      uint32_t ctx_id, const std::string& name) = 0;

  // Gives back what contexts that are gone could not at once, as a GPU was
  // working on it, of which it is done with by now. Called when a driver begins
  // and ends: no context exists.
  virtual void ReleaseIdle() = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_CONTEXT_H_
