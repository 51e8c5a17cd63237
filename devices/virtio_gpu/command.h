#ifndef NACRE_DEVICES_VIRTIO_GPU_COMMAND_H_
#define NACRE_DEVICES_VIRTIO_GPU_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "devices/virtio/virtqueue.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/limits.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre::virtio_gpu {

// The commands of virtio 1.3, 5.7.6.7 and 5.7.6.10, decoded once from a copy of
// the guest's bytes. What a type here allows is right by itself: enumerations
// are members, sizes and counts are within the limits, arithmetic on them does
// not overflow. Whether ids exist and ranges fit what they name is for whoever
// executes the command.

// Pieces of guest memory, in order; none empty.
using GuestRanges = std::vector<virtio::GuestRange>;

struct GetDisplayInfo {};
struct GetEdid {
  uint32_t scanout_id;
};
struct GetCapsetInfo {
  uint32_t index;
};
struct GetCapset {
  uint32_t capset_id;
  uint32_t version;
};

struct ResourceCreate2d {
  uint32_t resource_id;  // Non-zero.
  PixelFormat format;
  uint32_t width;  // Both non-zero, within max_image_dimension.
  uint32_t height;
};
struct ResourceUnref {
  uint32_t resource_id;
};
struct ResourceAttachBacking {
  uint32_t resource_id;
  GuestRanges entries;
};
struct ResourceDetachBacking {
  uint32_t resource_id;
};
struct ResourceAssignUuid {
  uint32_t resource_id;
};
struct TransferToHost2d {
  Rectangle rect;   // Non-empty; its ends do not overflow.
  uint64_t offset;  // Of the rectangle's first pixel in the backing.
  uint32_t resource_id;
};

struct SetScanout {
  Rectangle rect;  // As above, where resource_id is non-zero.
  uint32_t scanout_id;
  uint32_t resource_id;  // 0 disables the scanout.
};
struct SetScanoutBlob {
  Rectangle rect;  // Within width x height.
  uint32_t scanout_id;
  uint32_t resource_id;  // 0 disables the scanout; the rest is unset then.
  PixelFormat format;
  uint32_t width;  // Both non-zero, within max_image_dimension.
  uint32_t height;
  uint32_t stride;      // In bytes, at least a row.
  uint32_t offset;      // Of the first row in the blob, in bytes.
  uint64_t end_offset;  // Behind the last pixel.
};
struct ResourceFlush {
  Rectangle rect;  // Non-empty; its ends do not overflow.
  uint32_t resource_id;
};

struct ResourceCreateBlob {
  wire::BlobMem mem;
  BlobRequest request;
  // None for kHost3d; at least request.size bytes otherwise.
  GuestRanges entries;
};
struct ResourceMapBlob {
  uint32_t resource_id;
  uint64_t offset;
};
struct ResourceUnmapBlob {
  uint32_t resource_id;
};

struct CtxCreate {
  uint32_t capset_id;  // 0 for a context without a dialect.
  std::string name;
};
struct CtxDestroy {};
struct CtxAttachResource {
  uint32_t resource_id;
};
struct CtxDetachResource {
  uint32_t resource_id;
};
struct Submit3d {
  std::span<const uint8_t> commands;  // A view into what was decoded.
};

// Of the virgl dialect, not of virtio-gpu itself: no context type here has a
// use for their fields.
struct ResourceCreate3d {
  wire::ResourceCreate3d wire;
};
struct TransferToHost3d {
  wire::TransferHost3d wire;
};
struct TransferFromHost3d {
  wire::TransferHost3d wire;
};

struct UpdateCursor {
  uint32_t scanout_id;
  uint32_t x;
  uint32_t y;
  uint32_t resource_id;  // 0 hides the cursor.
  uint32_t hot_x;
  uint32_t hot_y;
};
struct MoveCursor {
  uint32_t scanout_id;
  uint32_t x;
  uint32_t y;
};

using Command =
    std::variant<GetDisplayInfo, GetEdid, GetCapsetInfo, GetCapset,
                 ResourceCreate2d, ResourceUnref, ResourceAttachBacking,
                 ResourceDetachBacking, ResourceAssignUuid, TransferToHost2d,
                 SetScanout, SetScanoutBlob, ResourceFlush, ResourceCreateBlob,
                 ResourceMapBlob, ResourceUnmapBlob, CtxCreate, CtxDestroy,
                 CtxAttachResource, CtxDetachResource, Submit3d,
                 ResourceCreate3d, TransferToHost3d, TransferFromHost3d,
                 UpdateCursor, MoveCursor>;

// What the header of any command says; unknown types and flags included.
class CommandHeader {
 public:
  CommandHeader() = default;
  explicit CommandHeader(const wire::CtrlHeader& header) : wire_(header) {}

  // To be filled, as far as the request has bytes.
  std::span<uint8_t> bytes() { return AsWritableBytes(wire_); }
  void RemoveRing() { wire_.flags &= ~wire::kFlagInfoRingIdx; }

  wire::Type type() const { return static_cast<wire::Type>(wire_.type); }
  uint32_t ctx_id() const { return wire_.ctx_id; }
  bool fenced() const { return (wire_.flags & wire::kFlagFence) != 0; }
  bool has_ring() const { return (wire_.flags & wire::kFlagInfoRingIdx) != 0; }
  uint8_t ring_idx() const { return wire_.ring_idx; }
  uint64_t fence_id() const { return wire_.fence_id; }

  // The ring whose work a fence waits for; without one it is the context's
  // first. Nullopt where there is no fence.
  std::optional<uint8_t> fence_ring() const {
    if (!fenced()) return std::nullopt;
    return has_ring() ? ring_idx() : uint8_t{0};
  }
  // Neither a fence nor a ring.
  bool is_plain() const {
    return (wire_.flags & (wire::kFlagFence | wire::kFlagInfoRingIdx)) == 0;
  }

 private:
  wire::CtrlHeader wire_ = {};
};

enum class QueueKind { kControl, kCursor };

// How many bytes behind the header a command of `type` can have at most: what
// to copy before decoding. 0 for unknown types.
size_t MaxBodySize(wire::Type type, const Limits& limits);

// `body` is the request behind its header; bytes beyond what the command needs
// are ignored. `features` are the driver's: a command of a feature that was
// not negotiated is Unimplemented, as are unknown ones and those of the other
// queue. Other errors: the id at fault (error.h); InvalidArgument for a short
// request or a value outside the spec; ResourceExhausted beyond a limit.
absl::StatusOr<Command> DecodeCommand(QueueKind queue,
                                      const CommandHeader& header,
                                      std::span<const uint8_t> body,
                                      uint64_t features, const Limits& limits);

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_COMMAND_H_
