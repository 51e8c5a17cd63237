#include "nacre/stress/desktop.h"

#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/wire.h"
#include "nacre/stress/programs.h"

namespace nacre {
namespace {

namespace wire = virtio_gpu::wire;
using virtio_gpu::Request;
using wire::Type;

constexpr uint32_t kPictures = 4;
constexpr uint32_t kFirstPicture = 1'000'000;
constexpr uint32_t kSide = 64;  // As a cursor's must be; in pixels.
constexpr uint32_t kBytes = kSide * kSide * virtio_gpu::kBytesPerPixel;
constexpr uint32_t kFormat =
    static_cast<uint32_t>(virtio_gpu::PixelFormat::kB8G8R8A8);
constexpr wire::Rect kAll = {0, 0, kSide, kSide};
constexpr uint32_t kRoom = 2048;  // For any answer.

static_assert(kPictures * kBytes <= SharedDriver::kPixelBytes);

}  // namespace

uint32_t Desktop::AnyPicture() { return kFirstPicture + Below(kPictures); }

void Desktop::Step() {
  const uint32_t picture = AnyPicture();
  switch (Below(10)) {
    case 0:
      CreatePicture(picture);
      break;
    case 1:
      Call(Request(Type::kTransferToHost2d)
               .With(wire::TransferToHost2d{kAll, 0, picture, 0}));
      break;
    case 2: {
      // Or nothing.
      const uint32_t shown = Below(4) == 0 ? 0 : picture;
      Call(Request(Type::kSetScanout)
               .With(wire::SetScanout{kAll, Below(kScanouts), shown}));
      break;
    }
    case 3:
      ShowBuffer();
      break;
    case 4:
      Call(Request(Type::kResourceFlush)
               .With(wire::ResourceFlush{kAll, picture, 0}));
      break;
    case 5:
      Cursor(Type::kUpdateCursor);
      break;
    case 6:
      Cursor(Type::kMoveCursor);
      break;
    case 7:
      Call(virtio_gpu::ResourceRequest(Type::kResourceDetachBacking, picture));
      break;
    case 8:
      Call(virtio_gpu::ResourceRequest(Type::kResourceUnref, picture));
      break;
    default:
      Ask();
  }
}

void Desktop::CreatePicture(uint32_t picture) {
  Call(Request(Type::kResourceCreate2d)
           .With(wire::ResourceCreate2d{picture, kFormat, kSide, kSide}));
  const uint64_t pixels =
      SharedDriver::kPixels + (picture - kFirstPicture) * kBytes;
  Call(Request(Type::kResourceAttachBacking)
           .With(wire::ResourceAttachBacking{picture, 1})
           .With(wire::MemEntry{pixels, kBytes, 0}));
}

void Desktop::ShowBuffer() {
  const uint32_t buffer =
      Programs::Resource(Below(programs_), 1 + Below(Programs::kBuffers));
  wire::SetScanoutBlob scanout = {};
  scanout.r = kAll;
  scanout.scanout_id = Below(kScanouts);
  scanout.resource_id = buffer;
  scanout.width = kSide;
  scanout.height = kSide;
  scanout.format = kFormat;
  scanout.strides[0] = kSide * virtio_gpu::kBytesPerPixel;
  Call(Request(Type::kSetScanoutBlob).With(scanout));
  Call(
      Request(Type::kResourceFlush).With(wire::ResourceFlush{kAll, buffer, 0}));
}

void Desktop::Cursor(Type type) {
  const wire::Cursor cursor = {.scanout_id = Below(kScanouts),
                               .x = Below(1000),
                               .y = Below(1000),
                               .padding0 = 0,
                               .resource_id = AnyPicture(),
                               .hot_x = 0,
                               .hot_y = 0,
                               .padding1 = 0};
  Call(Request(type).With(cursor), SharedDriver::kCursor);
}

void Desktop::Ask() {
  Call(Request(Type::kGetDisplayInfo));
  Call(Request(Type::kGetEdid).With(wire::GetEdid{Below(kScanouts), 0}));
  Call(Request(Type::kGetCapset)
           .With(wire::GetCapset{msm::VIRTIO_GPU_CAPSET_DRM, 0}));
}

void Desktop::Call(const Request& request, SharedDriver::Queue queue) {
  // Any answer will do.
  driver_.Call(request.bytes(), kRoom, queue);
}

}  // namespace nacre
