// The decoder on any bytes: input byte 0 chooses the queue, byte 1 the
// features, the rest is the request. What it accepts keeps its promises.

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "base/bytes.h"
#include "base/checked.h"
#include "devices/virtio_gpu/command.h"
#include "devices/virtio_gpu/error.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

struct Promises {
  const Limits& limits;

  void Check(const Rectangle& r) const {
    CHECK(r.width != 0 && r.height != 0);
    CHECK(CheckedAdd(r.x, r.width) && CheckedAdd(r.y, r.height));
  }
  void Check(const GuestRanges& entries) const {
    CHECK_LE(entries.size(), limits.max_mem_entries);
    for (const virtio::GuestRange& entry : entries) {
      CHECK_NE(entry.length, 0u);
      CHECK(CheckedAdd(entry.address, entry.length));
    }
  }

  void operator()(const ResourceCreate2d& c) const {
    CHECK_NE(c.resource_id, 0u);
    CHECK(c.width != 0 && c.width <= limits.max_image_dimension);
    CHECK(c.height != 0 && c.height <= limits.max_image_dimension);
  }
  void operator()(const ResourceAttachBacking& c) const { Check(c.entries); }
  void operator()(const TransferToHost2d& c) const { Check(c.rect); }
  void operator()(const ResourceFlush& c) const { Check(c.rect); }
  void operator()(const SetScanout& c) const {
    if (c.resource_id != 0) Check(c.rect);
  }
  void operator()(const SetScanoutBlob& c) const {
    if (c.resource_id == 0) return;
    CHECK(RangeFits(c.rect.x, c.rect.width, c.width));
    CHECK(RangeFits(c.rect.y, c.rect.height, c.height));
    const uint64_t row = uint64_t{c.width} * kBytesPerPixel;
    CHECK_GE(c.stride, row);
    CHECK_EQ(c.end_offset - c.offset,
             uint64_t{c.stride} * (c.height - 1) + row);
  }
  void operator()(const ResourceCreateBlob& c) const {
    CHECK_NE(c.request.resource_id, 0u);
    CHECK(c.request.size != 0 && c.request.size <= limits.max_blob_bytes);
    CHECK(IsAligned(c.request.size, 4096));
    Check(c.entries);
    CHECK_EQ(c.mem == wire::BlobMem::kHost3d, c.entries.empty());
  }
  void operator()(const CtxCreate& c) const {
    CHECK_LE(c.capset_id, wire::kCapsetIdMask);
    CHECK_LE(c.name.size(), 64u);
  }
  void operator()(const Submit3d& c) const {
    CHECK_LE(c.commands.size(), limits.max_submit_bytes);
    // All of it is there.
    uint8_t sum = 0;
    for (const uint8_t byte : c.commands) sum ^= byte;
    (void)sum;
  }
  template <typename Other>
  void operator()(const Other&) const {}
};

void Fuzz(std::span<const uint8_t> data) {
  ByteReader reader(data);
  const auto queue = reader.ReadZeroExtended<uint8_t>();
  const auto features = reader.ReadZeroExtended<uint8_t>();
  const CommandHeader header(reader.ReadZeroExtended<wire::CtrlHeader>());
  Limits limits;
  limits.max_mem_entries = 64;
  limits.max_submit_bytes = 1024;
  const std::span<const uint8_t> body = *reader.ReadBytes(reader.remaining());
  const absl::StatusOr<Command> command =
      DecodeCommand(queue % 2 == 0 ? QueueKind::kControl : QueueKind::kCursor,
                    header, body, features, limits);
  if (command.ok()) {
    std::visit(Promises{limits}, *command);
  } else {
    CHECK(ErrorResponseType(command.status()) >= wire::Type::kErrUnspec);
  }
}

}  // namespace
}  // namespace nacre::virtio_gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::virtio_gpu::Fuzz({data, size});
  return 0;
}
