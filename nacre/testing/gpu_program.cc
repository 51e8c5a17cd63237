#include "nacre/testing/gpu_program.h"

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/display/sink.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre {
namespace {

using msm::High;
using msm::Low;
namespace wire = virtio_gpu::wire;
using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint32_t kContext = 1;
constexpr uint32_t kOther = 2;
constexpr uint32_t kShmem = 1;
constexpr uint32_t kBuffer = 2;
constexpr uint64_t kIova = uint64_t{1} << 32;
constexpr uint8_t kRing = 2;    // Of queue 0.
constexpr uint32_t kSide = 16;  // Of what is shown, in pixels.

}  // namespace

bool GpuProgram::Run() {
  bool ok = Call(
      virtio_gpu::CreateContextRequest(kContext, msm::VIRTIO_GPU_CAPSET_DRM));
  ok &= Call(virtio_gpu::HostBlobRequest(kContext, kShmem, kPage, 0));
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_GEM_NEW,
             {Low(kIova), High(kIova), Low(kPage), 0, msm::MSM_BO_WC, 7});
  ok &= Submit(kContext, stream);
  ok &= Call(virtio_gpu::HostBlobRequest(kContext, kBuffer, kPage, 7));
  ok &= Call(virtio_gpu::MapRequest(kShmem, 0));
  ok &= Call(virtio_gpu::MapRequest(kBuffer, kPage));
  ok &= Share();
  ok &= Show();
  stream.Add(msm::MSM_CCMD_GEM_UPLOAD, {kBuffer, 0, 0, 4},
             std::vector<uint8_t>{1, 2, 3, 4});
  ok &= Submit(kContext, stream);
  stream.Add(msm::MSM_CCMD_GEM_SUBMIT, {msm::MSM_PIPE_3D0, 0, 0, 0, 1});
  Request submit = virtio_gpu::SubmitRequest(kContext, stream.bytes());
  stream.bytes().clear();
  ok &= Call(submit.Fence(1, kRing));
  ok &= OnResource(Type::kCtxDetachResource, kOther, kBuffer);
  ok &= OnResource(Type::kResourceUnmapBlob, kContext, kBuffer);
  ok &= OnResource(Type::kResourceUnref, kContext, kBuffer);
  ok &= OnResource(Type::kResourceUnref, kContext, kShmem);
  ok &= Call(Request(Type::kCtxDestroy).Context(kContext));
  ok &= Call(Request(Type::kCtxDestroy).Context(kOther));
  return ok;
}

bool GpuProgram::Share() {
  bool ok = Call(
      virtio_gpu::CreateContextRequest(kOther, msm::VIRTIO_GPU_CAPSET_DRM));
  ok &= OnResource(Type::kCtxAttachResource, kOther, kBuffer);
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_GEM_SET_IOVA, {Low(kIova), High(kIova), kBuffer, 0});
  ok &= Submit(kOther, stream);
  return ok;
}

bool GpuProgram::Show() {
  constexpr wire::Rect kAll = {0, 0, kSide, kSide};
  wire::SetScanoutBlob scanout = {};
  scanout.r = kAll;
  scanout.resource_id = kBuffer;
  scanout.width = kSide;
  scanout.height = kSide;
  scanout.format = static_cast<uint32_t>(virtio_gpu::PixelFormat::kB8G8R8A8);
  scanout.strides[0] = kSide * virtio_gpu::kBytesPerPixel;
  bool ok = Call(Request(Type::kSetScanoutBlob).With(scanout));
  ok &= Call(Request(Type::kResourceFlush)
                 .With(wire::ResourceFlush{kAll, kBuffer, 0}));
  ok &= Call(Request(Type::kSetScanout).With(wire::SetScanout{kAll, 0, 0}));
  return ok;
}

bool GpuProgram::Call(const Request& request) {
  if (driver_.needs_reset()) return false;
  const std::optional<std::vector<uint8_t>> answer = driver_.TryCall(
      0, request.bytes(), sizeof(virtio_gpu::wire::CtrlHeader) + 8);
  if (!answer) return false;
  const auto header =
      ByteReader(*answer).ReadZeroExtended<virtio_gpu::wire::CtrlHeader>();
  return header.type < static_cast<uint32_t>(Type::kErrUnspec);
}

bool GpuProgram::Submit(uint32_t context, msm::CcmdStream& stream) {
  const Request request = virtio_gpu::SubmitRequest(context, stream.bytes());
  stream.bytes().clear();
  return Call(request);
}

bool GpuProgram::OnResource(Type type, uint32_t context, uint32_t resource) {
  return Call(virtio_gpu::ResourceRequest(type, resource).Context(context));
}

}  // namespace nacre
