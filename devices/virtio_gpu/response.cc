#include "devices/virtio_gpu/response.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/edid.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

// The header of the answer to `request`.
wire::CtrlHeader HeaderFor(const CommandHeader& request, Type type) {
  wire::CtrlHeader header = {};
  header.type = static_cast<uint32_t>(type);
  header.ctx_id = request.ctx_id();
  if (request.fenced()) {
    header.flags |= wire::kFlagFence;
    header.fence_id = request.fence_id();
  }
  if (request.has_ring()) {
    header.flags |= wire::kFlagInfoRingIdx;
    header.ring_idx = request.ring_idx();
  }
  return header;
}

absl::Status WriteWhatFits(std::span<const uint8_t> bytes,
                           virtio::DescriptorChain& chain) {
  const uint64_t room = chain.writable_size() - chain.bytes_written();
  return chain.Write(bytes.first(std::min<uint64_t>(room, bytes.size())));
}

absl::Status WriteHeader(const CommandHeader& request, Type type,
                         virtio::DescriptorChain& chain) {
  return WriteWhatFits(AsBytes(HeaderFor(request, type)), chain);
}

// Writes one response: a header for `request`, then the body.
class Writer {
 public:
  Writer(const CommandHeader& request, virtio::DescriptorChain& chain)
      : request_(request), chain_(chain) {}

  absl::Status Write(Type type, std::span<const uint8_t> body) {
    RETURN_IF_ERROR(WriteHeader(request_, type, chain_));
    return WriteWhatFits(body, chain_);
  }

  absl::Status operator()(const NoData&) {
    return WriteHeader(request_, Type::kOkNodata, chain_);
  }
  absl::Status operator()(const DisplayModes& modes) {
    wire::DisplayInfo body = {};
    for (uint32_t i = 0; i < modes.count; ++i) {
      body.modes[i].r = {0, 0, modes.width, modes.height};
      body.modes[i].enabled = 1;
    }
    return Write(Type::kOkDisplayInfo, AsBytes(body));
  }
  absl::Status operator()(const CapsetInfo& info) {
    const wire::CapsetInfo body = {info.capset_id, info.max_version,
                                   info.max_size, 0};
    return Write(Type::kOkCapsetInfo, AsBytes(body));
  }
  absl::Status operator()(const CapsetData& capset) {
    return Write(Type::kOkCapset, capset.bytes);
  }
  absl::Status operator()(const Edid& edid) {
    const auto block = MakeEdid(edid.width, edid.height);
    wire::Edid body = {};
    body.size = block.size();
    std::copy(block.begin(), block.end(), body.edid);
    return Write(Type::kOkEdid, AsBytes(body));
  }
  absl::Status operator()(const ResourceUuid& uuid) {
    wire::ResourceUuid body = {};
    std::copy(uuid.uuid.begin(), uuid.uuid.end(), body.uuid);
    return Write(Type::kOkResourceUuid, AsBytes(body));
  }
  absl::Status operator()(const MapInfo& info) {
    const wire::MapInfo body = {static_cast<uint32_t>(info.caching), 0};
    return Write(Type::kOkMapInfo, AsBytes(body));
  }

 private:
  const CommandHeader& request_;
  virtio::DescriptorChain& chain_;
};

}  // namespace

absl::Status WriteResponse(const CommandHeader& request,
                           const Response& response,
                           virtio::DescriptorChain& chain) {
  return std::visit(Writer(request, chain), response);
}

absl::Status WriteErrorResponse(const CommandHeader& request, Type error,
                                virtio::DescriptorChain& chain) {
  return WriteHeader(request, error, chain);
}

}  // namespace nacre::virtio_gpu
