#include "nacre/testing/gpu_program.h"

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/wire.h"

namespace nacre {
namespace {

using msm::High;
using msm::Low;
using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint32_t kContext = 1;
constexpr uint32_t kShmem = 1;
constexpr uint32_t kBuffer = 2;
constexpr uint64_t kIova = uint64_t{1} << 32;
constexpr uint8_t kRing = 2;  // Of queue 0.

}  // namespace

bool GpuProgram::Run() {
  bool ok = Call(
      virtio_gpu::CreateContextRequest(kContext, msm::VIRTIO_GPU_CAPSET_DRM));
  ok &= Call(virtio_gpu::HostBlobRequest(kContext, kShmem, kPage, 0));
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_GEM_NEW,
             {Low(kIova), High(kIova), Low(kPage), 0, msm::MSM_BO_WC, 7});
  ok &= Submit(stream);
  ok &= Call(virtio_gpu::HostBlobRequest(kContext, kBuffer, kPage, 7));
  ok &= Call(virtio_gpu::MapRequest(kShmem, 0));
  ok &= Call(virtio_gpu::MapRequest(kBuffer, kPage));
  stream.Add(msm::MSM_CCMD_GEM_UPLOAD, {kBuffer, 0, 0, 4},
             std::vector<uint8_t>{1, 2, 3, 4});
  ok &= Submit(stream);
  stream.Add(msm::MSM_CCMD_GEM_SUBMIT, {msm::MSM_PIPE_3D0, 0, 0, 0, 1});
  Request submit = virtio_gpu::SubmitRequest(kContext, stream.bytes());
  stream.bytes().clear();
  ok &= Call(submit.Fence(1, kRing));
  ok &= OnResource(Type::kResourceUnmapBlob, kBuffer);
  ok &= OnResource(Type::kResourceUnref, kBuffer);
  ok &= OnResource(Type::kResourceUnref, kShmem);
  ok &= Call(Request(Type::kCtxDestroy).Context(kContext));
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

bool GpuProgram::Submit(msm::CcmdStream& stream) {
  const Request request = virtio_gpu::SubmitRequest(kContext, stream.bytes());
  stream.bytes().clear();
  return Call(request);
}

bool GpuProgram::OnResource(Type type, uint32_t resource) {
  return Call(virtio_gpu::ResourceRequest(type, resource).Context(kContext));
}

}  // namespace nacre
