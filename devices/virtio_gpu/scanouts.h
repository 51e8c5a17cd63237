#ifndef NACRE_DEVICES_VIRTIO_GPU_SCANOUTS_H_
#define NACRE_DEVICES_VIRTIO_GPU_SCANOUTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/mapping.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/picture.h"
#include "devices/virtio_gpu/relay.h"
#include "devices/virtio_gpu/resource.h"

namespace nacre::virtio_gpu {

// Which resource each scanout shows, and the way of its pixels to the sink.
// Keeps Resource::scanouts.
class Scanouts {
 public:
  // `max_bytes` is of the visible part of one scanout. `sink` outlives this, as
  // does `relay`, by way of which blobs are asked for their memory.
  Scanouts(uint32_t count, uint64_t max_bytes, DisplaySink* sink, Relay& relay)
      : max_bytes_(max_bytes), sink_(sink), relay_(relay), scanouts_(count) {}

  // SET_SCANOUT and SET_SCANOUT_BLOB of an existing resource: it shows up with
  // the next Flush. Errors, nothing changed: ScanoutIdError; InvalidArgument
  // for a resource of the other kind, or a rectangle or layout beyond it;
  // ResourceExhausted beyond max_bytes; the blob's own where its memory cannot
  // be had. SetBlob may lose the lead and get it back.
  absl::Status Set(const SetScanout& command, Resource& resource);
  absl::Status SetBlob(const SetScanoutBlob& command, Resource& resource);
  // ScanoutIdError. Disabled already is fine.
  absl::Status Disable(uint32_t scanout_id);

  // RESOURCE_FLUSH: presents `rect` of the resource wherever it shows.
  // InvalidArgument for a rectangle beyond a 2D resource.
  absl::Status Flush(const Resource& resource, const Rectangle& rect);

  // `resource` is going away.
  void Forget(Resource& resource);
  // All show nothing; no resource is touched.
  void Clear();

  // UPDATE_CURSOR, `resource` null to hide it; MOVE_CURSOR. Errors:
  // ScanoutIdError; InvalidArgument for a resource that holds no cursor.
  absl::Status SetCursor(const UpdateCursor& command, const Resource* resource);
  absl::Status MoveCursor(const virtio_gpu::MoveCursor& command);

 private:
  struct Scanout {
    Resource* resource = nullptr;
    // The visible part, as a picture of its own; `origin` is where it begins
    // in the coordinates of RESOURCE_FLUSH.
    PictureLayout layout;
    Rectangle origin;
    // The resource's bytes, for blobs in host memory.
    Mapping mapping;
    // Nothing of this picture has been presented.
    bool fresh = true;
  };

  absl::Status CheckId(uint32_t scanout_id) const;
  absl::Status CheckSize(const Rectangle& visible) const;
  void Show(uint32_t scanout_id, Scanout scanout);

  const uint64_t max_bytes_;
  DisplaySink* const sink_;
  Relay& relay_;
  std::vector<Scanout> scanouts_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_SCANOUTS_H_
