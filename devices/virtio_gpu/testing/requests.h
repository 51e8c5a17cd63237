#ifndef NACRE_DEVICES_VIRTIO_GPU_TESTING_REQUESTS_H_
#define NACRE_DEVICES_VIRTIO_GPU_TESTING_REQUESTS_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// Requests as a driver writes them: a header, then the parts one behind the
// other.
class Request {
 public:
  explicit Request(wire::Type type) {
    header_.type = static_cast<uint32_t>(type);
  }

  Request& Context(uint32_t ctx_id) {
    header_.ctx_id = ctx_id;
    return *this;
  }
  // On the global timeline.
  Request& Fence(uint64_t fence_id) {
    header_.flags |= wire::kFlagFence;
    header_.fence_id = fence_id;
    return *this;
  }
  // On a ring of the context.
  Request& Fence(uint64_t fence_id, uint8_t ring_idx) {
    header_.flags |= wire::kFlagInfoRingIdx;
    header_.ring_idx = ring_idx;
    return Fence(fence_id);
  }
  template <WireType T>
  Request& With(const T& part) {
    return WithBytes(AsBytes(part));
  }
  Request& WithBytes(std::span<const uint8_t> bytes) {
    body_.insert(body_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  const wire::CtrlHeader& header() const { return header_; }
  const std::vector<uint8_t>& body() const { return body_; }
  std::vector<uint8_t> bytes() const {
    const std::span<const uint8_t> header = AsBytes(header_);
    std::vector<uint8_t> result(header.begin(), header.end());
    result.insert(result.end(), body_.begin(), body_.end());
    return result;
  }

 private:
  wire::CtrlHeader header_ = {};
  std::vector<uint8_t> body_;
};

// A command that names a resource and nothing else.
inline Request ResourceRequest(wire::Type type, uint32_t resource_id) {
  return Request(type).With(wire::ResourceId{resource_id, 0});
}

inline Request CreateContextRequest(uint32_t ctx_id, uint32_t capset_id) {
  wire::CtxCreate create = {};
  create.nlen = 4;
  create.context_init = capset_id;
  create.debug_name[0] = 't';
  create.debug_name[1] = 'e';
  create.debug_name[2] = 's';
  create.debug_name[3] = 't';
  return Request(wire::Type::kCtxCreate).Context(ctx_id).With(create);
}

inline Request SubmitRequest(uint32_t ctx_id, std::span<const uint8_t> bytes) {
  return Request(wire::Type::kSubmit3d)
      .Context(ctx_id)
      .With(wire::Submit3d{static_cast<uint32_t>(bytes.size()), 0})
      .WithBytes(bytes);
}

inline Request HostBlobRequest(uint32_t ctx_id, uint32_t resource_id,
                               uint64_t size, uint64_t blob_id) {
  wire::ResourceCreateBlob blob = {};
  blob.resource_id = resource_id;
  blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3d);
  blob.blob_flags = wire::kBlobFlagUseMappable | wire::kBlobFlagUseShareable;
  blob.blob_id = blob_id;
  blob.size = size;
  return Request(wire::Type::kResourceCreateBlob).Context(ctx_id).With(blob);
}

inline Request HostBlobRequest(uint32_t ctx_id, uint32_t resource_id,
                               uint64_t size) {
  return HostBlobRequest(ctx_id, resource_id, size, /*blob_id=*/resource_id);
}

inline Request MapRequest(uint32_t resource_id, uint64_t offset) {
  return Request(wire::Type::kResourceMapBlob)
      .With(wire::ResourceMapBlob{resource_id, 0, offset});
}

// Rectangles that a sum of 32 bits takes for ones that end within any resource.
inline constexpr wire::Rect kWrappingRectangles[] = {
    {1, 0, 0xffffffff, 1},          {0, 1, 1, 0xffffffff},
    {0xffffffff, 0, 1, 1},          {0, 0xffffffff, 1, 1},
    {0x80000000, 0, 0x80000001, 1}, {0, 0x80000000, 1, 0x80000001},
};
static_assert(std::all_of(std::begin(kWrappingRectangles),
                          std::end(kWrappingRectangles),
                          [](const wire::Rect& r) {
                            return r.x + r.width < r.x || r.y + r.height < r.y;
                          }));

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_TESTING_REQUESTS_H_
