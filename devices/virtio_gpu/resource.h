#ifndef NACRE_DEVICES_VIRTIO_GPU_RESOURCE_H_
#define NACRE_DEVICES_VIRTIO_GPU_RESOURCE_H_

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "devices/virtio_gpu/backing.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// The pixels of a 2D resource, in our heap: rows of width * kBytesPerPixel
// bytes, zeroed at first.
struct Image {
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };

  uint64_t stride() const { return uint64_t{width} * kBytesPerPixel; }
  uint64_t size_bytes() const { return stride() * height; }

  PixelFormat format;
  uint32_t width;  // Both non-zero, within Limits::max_image_dimension.
  uint32_t height;
  std::unique_ptr<uint8_t[], Free> pixels;
};

// A blob resource (virtio 1.3, 5.7.6.8, RESOURCE_CREATE_BLOB).
struct BlobResource {
  wire::BlobMem mem;
  uint64_t size;  // In bytes: whole pages.
  bool mappable;
  std::unique_ptr<Blob> host;  // Null for kGuest.
  // The context that made `host`, which may be gone; 0 for kGuest.
  uint32_t owner;
  // Where it is in the host-visible window.
  std::optional<uint64_t> window_offset;
};

// One of the guest's resources: either an image or a blob.
struct Resource {
  explicit Resource(uint32_t resource_id) : id(resource_id) {}

  const uint32_t id;
  std::optional<Image> image;
  std::optional<BlobResource> blob;
  std::optional<Backing> backing;
  std::optional<std::array<uint8_t, 16>> uuid;
  // Back references, so that its end walks no other table: kept by Scanouts
  // (bit per scanout) and by ContextTable (ids, each once).
  uint32_t scanouts = 0;
  absl::InlinedVector<uint32_t, 2> attached_contexts;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_RESOURCE_H_
