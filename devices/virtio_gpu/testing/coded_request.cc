#include "devices/virtio_gpu/testing/coded_request.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

struct Shape {
  Type type;
  int words;
};
constexpr Shape kShapes[] = {
    {Type::kGetDisplayInfo, 0},
    {Type::kResourceCreate2d, 4},
    {Type::kResourceUnref, 2},
    {Type::kSetScanout, 6},
    {Type::kResourceFlush, 6},
    {Type::kTransferToHost2d, 8},
    {Type::kResourceAttachBacking, 6},
    {Type::kResourceDetachBacking, 2},
    {Type::kGetCapsetInfo, 2},
    {Type::kGetCapset, 2},
    {Type::kGetEdid, 2},
    {Type::kResourceAssignUuid, 2},
    {Type::kResourceCreateBlob, 12},
    {Type::kSetScanoutBlob, 18},
    {Type::kCtxCreate, 18},
    {Type::kCtxDestroy, 0},
    {Type::kCtxAttachResource, 2},
    {Type::kCtxDetachResource, 2},
    {Type::kResourceCreate3d, 12},
    {Type::kTransferToHost3d, 12},
    {Type::kTransferFromHost3d, 12},
    {Type::kSubmit3d, 6},
    {Type::kResourceMapBlob, 4},
    {Type::kResourceUnmapBlob, 2},
    {Type::kUpdateCursor, 8},
    {Type::kMoveCursor, 8},
    {Type::kUpdateCursor, 8},
    {Type::kMoveCursor, 8},
};
static_assert(CodedRequest::kEndOfTypes % std::size(kShapes) == 0);

// The longest answer there is.
constexpr uint32_t kRoomForAny = sizeof(wire::CtrlHeader) + 2048;

// Those of the layout.
enum Cut : uint8_t { kOne, kBehindHeader, kMany, kShort };

std::vector<std::vector<uint8_t>> Parts(std::span<const uint8_t> bytes,
                                        Cut cut) {
  std::vector<std::vector<uint8_t>> parts;
  while (!bytes.empty()) {
    size_t size = bytes.size();
    if (cut == kMany) size = std::min(size, CodedRequest::kPartBytes);
    if (cut == kBehindHeader && parts.empty()) {
      size = std::min(size, sizeof(wire::CtrlHeader));
    }
    parts.emplace_back(bytes.begin(), bytes.begin() + size);
    bytes = bytes.subspan(size);
  }
  return parts;
}

}  // namespace

uint32_t CodedRequest::ReadWord(ByteReader& reader) {
  const auto code = reader.ReadZeroExtended<uint8_t>();
  if (code < 0x80) return code;
  if (code < 0xc0) return (code & 0x3fu) << 12;
  if (code < 0xf0) {
    return static_cast<uint32_t>(virtio::GuestRam::kBase) + (code & 0x3fu) * 64;
  }
  return reader.ReadZeroExtended<uint32_t>();
}

CodedRequest CodedRequest::Read(uint8_t type, ByteReader& reader) {
  const Shape& shape = kShapes[type % std::size(kShapes)];
  const auto fence = reader.ReadZeroExtended<uint8_t>();
  const auto context = reader.ReadZeroExtended<uint8_t>();
  const auto layout = reader.ReadZeroExtended<uint8_t>();
  const auto cut = static_cast<Cut>(layout & 3);
  Request request(shape.type);
  if ((fence & 3) == 1) request.Fence(fence);
  if ((fence & 3) == 3) {
    const uint8_t ring = fence >> 2;
    request.Fence(fence, ring == 63 ? wire::kMaxRings : ring);
  }
  request.Context(context);
  const int words = shape.words + (layout >> 3) * 4;
  for (int i = 0; i < words; ++i) request.With(ReadWord(reader));
  std::vector<uint8_t> bytes = request.bytes();
  if (cut == kShort) {
    const size_t size = reader.ReadZeroExtended<uint8_t>();
    bytes.resize(std::clamp<size_t>(size, 1, bytes.size()));
  }
  const bool is_cursors = shape.type >= Type::kUpdateCursor;
  const bool to_cursor_queue = is_cursors != ((fence & 3) == 2);
  uint32_t room = (layout & 4) != 0 ? kRoomForAny : sizeof(wire::CtrlHeader);
  // As Linux, which leaves none there.
  if (to_cursor_queue && (fence & 4) == 0) room = 0;
  return {Parts(bytes, cut), to_cursor_queue, room};
}

}  // namespace nacre::virtio_gpu
