#include "devices/virtio_gpu/response.h"

#include <algorithm>
#include <cstddef>

#include "base/bytes.h"
#include "base/status_macros.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

struct Encoded {
  Type type;
  std::span<const uint8_t> body;
};

struct Encoder {
  Encoded operator()(const NoData&) const { return {Type::kOkNodata, {}}; }
  Encoded operator()(const CapsetData& capset) const {
    return {Type::kOkCapset, capset.bytes};
  }
  Encoded operator()(const wire::DisplayInfo& body) const {
    return {Type::kOkDisplayInfo, AsBytes(body)};
  }
  Encoded operator()(const wire::CapsetInfo& body) const {
    return {Type::kOkCapsetInfo, AsBytes(body)};
  }
  Encoded operator()(const wire::Edid& body) const {
    return {Type::kOkEdid, AsBytes(body)};
  }
  Encoded operator()(const wire::ResourceUuid& body) const {
    return {Type::kOkResourceUuid, AsBytes(body)};
  }
  Encoded operator()(const wire::MapInfo& body) const {
    return {Type::kOkMapInfo, AsBytes(body)};
  }
};

absl::Status WriteWhatFits(std::span<const uint8_t> bytes,
                           virtio::DescriptorChain& chain) {
  const uint64_t room = chain.writable_size() - chain.bytes_written();
  return chain.Write(bytes.first(std::min<uint64_t>(room, bytes.size())));
}

absl::Status WriteAnswer(const CommandHeader& request, const Encoded& encoded,
                         virtio::DescriptorChain& chain) {
  if (chain.writable_size() == 0) return absl::OkStatus();
  wire::CtrlHeader header = {};
  header.type = static_cast<uint32_t>(encoded.type);
  header.ctx_id = request.ctx_id;
  if (request.fenced) {
    header.flags |= wire::kFlagFence;
    header.fence_id = request.fence_id;
  }
  if (request.has_ring) {
    header.flags |= wire::kFlagInfoRingIdx;
    header.ring_idx = request.ring_idx;
  }
  RETURN_IF_ERROR(WriteWhatFits(AsBytes(header), chain));
  return WriteWhatFits(encoded.body, chain);
}

}  // namespace

absl::Status WriteResponse(const CommandHeader& request,
                           const Response& response,
                           virtio::DescriptorChain& chain) {
  return WriteAnswer(request, std::visit(Encoder{}, response), chain);
}

absl::Status WriteErrorResponse(const CommandHeader& request, Type error,
                                virtio::DescriptorChain& chain) {
  return WriteAnswer(request, {error, {}}, chain);
}

}  // namespace nacre::virtio_gpu
