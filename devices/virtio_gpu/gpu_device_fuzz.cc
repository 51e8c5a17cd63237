// The whole device behind its control queue. The input is a list of commands,
// compressed so that they find each other's traces: a byte for the type, one
// for the fence, one for the context, then one for each word of the body, which
// is that small number, or a size, or a piece of RAM, or four bytes that
// follow. Afterwards the GPU finishes its work, every command must have been
// answered, and a reset must leave nothing.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

constexpr int kMaxCommands = 200;
constexpr int kMaxCursorCommands = 60;
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

VirtioGpu::Config Config() {
  VirtioGpu::Config config = GpuDriver::DefaultConfig();
  config.limits.max_image_dimension = 256;
  config.limits.max_total_image_bytes = 1 << 20;
  config.limits.max_blob_bytes = 1 << 20;
  config.limits.max_contexts = 4;
  config.limits.max_resources = 12;
  config.limits.max_attachments = 16;
  config.limits.max_mapped_blobs = 6;
  return config;
}

uint32_t Word(ByteReader& reader) {
  const auto code = reader.ReadZeroExtended<uint8_t>();
  if (code < 0x80) return code;
  if (code < 0xc0) return (code & 0x3fu) << 12;  // Whole pages.
  if (code < 0xf0) {
    return static_cast<uint32_t>(virtio::GuestRam::kBase) + (code & 0x3fu) * 64;
  }
  return reader.ReadZeroExtended<uint32_t>();
}

Request ReadRequest(ByteReader& reader) {
  const auto selector = reader.ReadZeroExtended<uint8_t>();
  const Shape& shape = kShapes[selector % std::size(kShapes)];
  Request request(shape.type);
  const auto fence = reader.ReadZeroExtended<uint8_t>();
  if ((fence & 1) != 0) {
    if ((fence & 2) != 0) {
      request.Fence(fence, fence >> 2);
    } else {
      request.Fence(fence);
    }
  }
  request.Context(reader.ReadZeroExtended<uint8_t>());
  for (int i = 0; i < shape.words; ++i) request.With(Word(reader));
  return request;
}

void Fuzz(std::span<const uint8_t> data) {
  // A new one now and then: the fake driver never frees its rings.
  static std::unique_ptr<GpuDriver> g;
  static int runs = 0;
  if (runs++ % 1000 == 0) {
    g = std::make_unique<GpuDriver>(Config());
    g->driver().Reset();
  }
  CHECK(g->driver().Start().ok());
  ByteReader reader(data);
  int commands = 0;
  int cursor_commands = 0;
  while (reader.remaining() != 0 && commands < kMaxCommands &&
         cursor_commands < kMaxCursorCommands) {
    const Request request = ReadRequest(reader);
    if (request.header().type < static_cast<uint32_t>(Type::kUpdateCursor)) {
      g->Submit(request);
      ++commands;
    } else {
      g->driver()
          .queue(wire::kCursorQueue)
          .Chain()
          .Readable(request.bytes())
          .Submit();
      ++cursor_commands;
    }
  }
  g->driver().Kick(wire::kCursorQueue);
  // Once this one is answered the GPU has been given everything.
  const uint16_t barrier = g->Submit(Request(Type::kGetDisplayInfo));
  g->Kick();
  int answered = 0;
  while (g->driver().WaitUsed(wire::kControlQueue).head != barrier) ++answered;
  g->gpu().FinishAll();
  for (; answered < commands; ++answered) {
    g->driver().WaitUsed(wire::kControlQueue);
  }
  while (cursor_commands-- != 0) g->driver().WaitUsed(wire::kCursorQueue);
  CHECK(!g->driver().needs_reset());

  g->driver().Reset();
  CHECK(g->gpu().contexts().empty());
  CHECK_EQ(g->gpu().live_blobs(), 0);
  CHECK_EQ(g->stats().fences_pending.value(), 0u);
  CHECK_EQ(g->stats().mapped_bytes.value(), 0u);
  CHECK_EQ(g->stats().fences_created.value(),
           g->stats().fences_completed.value());
}

}  // namespace
}  // namespace nacre::virtio_gpu

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacre::virtio_gpu::Fuzz({data, size});
  return 0;
}
