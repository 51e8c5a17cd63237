// The whole device behind its two queues. The input is a list of commands,
// compressed so that they find each other's traces: a byte for the type, one
// for the fence and the queue, one for the context, then one for each word of
// the body, which is that small number, or a size, or a piece of RAM, or four
// bytes that follow. Between them the host has bad luck. Afterwards the GPU
// finishes its work, every command must have been answered, and a reset must
// leave nothing.

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

Request ReadRequest(uint8_t selector, uint8_t fence, ByteReader& reader) {
  const Shape& shape = kShapes[selector % std::size(kShapes)];
  Request request(shape.type);
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

class Session {
 public:
  Session(GpuDriver& g, std::span<const uint8_t> data) : g_(g), reader_(data) {}

  void Run() {
    while (reader_.remaining() != 0 && commands_ < kMaxCommands &&
           cursor_commands_ < kMaxCursorCommands) {
      const auto selector = reader_.ReadZeroExtended<uint8_t>();
      if (selector < kHostSteps) {
        Submit(selector);
      } else {
        HostStep(selector);
      }
    }
    g_.driver().Kick(wire::kCursorQueue);
    // Once this is answered the GPU has been given everything.
    Barrier();
    g_.gpu().FinishAll();
    while (answered_ < commands_) Wait();
    while (cursor_commands_-- != 0) g_.driver().WaitUsed(wire::kCursorQueue);
    CHECK(!g_.driver().needs_reset());
  }

 private:
  // Selectors from here on are what happens to the host.
  static constexpr uint8_t kHostSteps = std::size(kShapes) * 8;

  void Submit(uint8_t selector) {
    const auto fence = reader_.ReadZeroExtended<uint8_t>();
    const Request request = ReadRequest(selector, fence, reader_);
    bool to_cursor =
        request.header().type >= static_cast<uint32_t>(Type::kUpdateCursor);
    // Some to the wrong queue.
    if ((fence & 3) == 2) to_cursor = !to_cursor;
    if (!to_cursor) {
      g_.Submit(request);
      ++commands_;
      return;
    }
    auto chain = g_.driver().queue(wire::kCursorQueue).Chain();
    chain.Readable(request.bytes());
    // As Linux, without room for an answer; some with.
    if ((fence & 4) != 0) chain.Writable(sizeof(wire::CtrlHeader));
    chain.Submit();
    ++cursor_commands_;
  }

  void HostStep(uint8_t selector) {
    // Behind what has been submitted, so that the same happens every time.
    Barrier();
    switch (selector % 4) {
      case 0:
        return g_.gpu().FailWith(absl::ResourceExhaustedError("bad luck"));
      case 1:
        return g_.gpu().FailWith(absl::InternalError("bad luck"));
      case 2:
        return g_.gpu().FailWith(absl::OkStatus());
      default:
        return g_.gpu().FinishAll();
    }
  }

  uint16_t Wait() {
    ++answered_;
    return g_.driver().WaitUsed(wire::kControlQueue).head;
  }
  void Barrier() {
    const uint16_t barrier = g_.Submit(Request(Type::kGetDisplayInfo));
    ++commands_;
    g_.Kick();
    while (Wait() != barrier) {
    }
  }

  GpuDriver& g_;
  ByteReader reader_;
  int commands_ = 0;  // Of the control queue.
  int answered_ = 0;
  int cursor_commands_ = 0;
};

void Fuzz(std::span<const uint8_t> data) {
  // A new one now and then: the fake driver never frees its rings.
  static std::unique_ptr<GpuDriver> g;
  static int runs = 0;
  if (runs++ % 1000 == 0) {
    g = std::make_unique<GpuDriver>(Config());
    g->driver().Reset();
  }
  g->gpu().FailWith(absl::OkStatus());
  CHECK(g->driver().Start().ok());
  Session(*g, data).Run();

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
