#include "nacre/stress/programs.h"

#include <vector>

#include "base/bytes.h"

namespace nacre {
namespace {

using msm::High;
using msm::Low;
using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kIova = uint64_t{1} << 32;
// The ring of the middle priority, on which queue 0 runs.
constexpr uint8_t kRing = 2;

}  // namespace

Programs::Programs(SharedDriver& driver, std::span<uint8_t> window,
                   uint32_t number, uint32_t count)
    : driver_(driver),
      window_(window),
      count_(count),
      context_(1 + number),
      first_resource_(1 + 100 * number),
      first_page_(number * (1 + kBuffers)),
      random_(number) {}

void Programs::RunOne() {
  Call(virtio_gpu::CreateContextRequest(context_, msm::VIRTIO_GPU_CAPSET_DRM));
  CreateBlob(0, 0);
  for (uint32_t i = 1; i <= kBuffers; ++i) NewBuffer(i);
  Flush();
  for (uint32_t i = 1; i <= kBuffers; ++i) CreateBlob(i, i);
  for (int i = 0; i < 20; ++i) Step();
  // Some die as they are, some tidy up; some while the GPU is at work.
  if (Below(2) == 0) {
    for (uint32_t i = 0; i <= kBuffers; ++i) {
      Call(OnResource(Type::kResourceUnref, i));
    }
  }
  Submit();
  Call(Request(Type::kCtxDestroy).Context(context_));
  for (uint32_t i = 0; i <= kBuffers; ++i) {
    Call(OnResource(Type::kResourceUnref, i));
  }
}

// A guest's vCPU may do so at any time, also while the device changes what is
// mapped there (a call that a reset cut off may still be executed): no race of
// ours.
__attribute__((noinline, no_sanitize("thread"))) static void StoreAsGuest(
    volatile uint8_t* byte) {
  *byte = 1;
}

void Programs::Step() {
  const uint32_t buffer = 1 + Below(kBuffers);
  switch (Below(8)) {
    case 0:
      Call(virtio_gpu::MapRequest(first_resource_ + buffer,
                                  (first_page_ + buffer) * kPage));
      break;
    case 1:
      Call(OnResource(Type::kResourceUnmapBlob, buffer));
      break;
    case 2:
      // Mapped or not.
      StoreAsGuest(&window_[(first_page_ + buffer) * kPage + Below(kPage)]);
      break;
    case 3: {
      // Another program's, which may be gone, then gone again.
      const Request attach =
          virtio_gpu::ResourceRequest(Type::kCtxAttachResource,
                                      1 + 100 * Below(count_) + buffer)
              .Context(context_);
      Call(attach);
      break;
    }
    case 4: {
      stream_.Add(msm::MSM_CCMD_GEM_UPLOAD, {first_resource_ + buffer, 0, 0, 4},
                  std::vector<uint8_t>{1, 2, 3, 4});
      break;
    }
    case 5:
      stream_.Add(msm::MSM_CCMD_WAIT_FENCE, {0, fence_});
      Flush();
      break;
    default:
      Submit();
  }
}

void Programs::Submit() {
  const msm::drm_msm_gem_submit_bo bo = {
      .flags = msm::MSM_SUBMIT_BO_WRITE,
      .handle = first_resource_ + 1 + Below(kBuffers),
      .presumed = 0};
  stream_.Add(msm::MSM_CCMD_GEM_SUBMIT, {msm::MSM_PIPE_3D0, 0, 1, 0, ++fence_},
              AsBytes(bo));
  Request request = TakeStream().Fence(fence_, kRing);
  if (Below(2) == 0) {
    Call(request);
  } else {
    driver_.Start(request.bytes(), sizeof(virtio_gpu::wire::CtrlHeader));
  }
}

void Programs::NewBuffer(uint32_t i) {
  const uint64_t iova = kIova + i * kPage;
  stream_.Add(msm::MSM_CCMD_GEM_NEW,
              {Low(iova), High(iova), kPage, 0, msm::MSM_BO_WC, i});
}

void Programs::CreateBlob(uint32_t i, uint64_t blob_id) {
  virtio_gpu::wire::ResourceCreateBlob blob = {};
  blob.resource_id = first_resource_ + i;
  blob.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kHost3d);
  blob.blob_flags = virtio_gpu::wire::kBlobFlagUseMappable |
                    virtio_gpu::wire::kBlobFlagUseShareable;
  blob.blob_id = blob_id;
  blob.size = kPage;
  Call(Request(Type::kResourceCreateBlob).Context(context_).With(blob));
}

Request Programs::OnResource(Type type, uint32_t i) {
  return virtio_gpu::ResourceRequest(type, first_resource_ + i)
      .Context(context_);
}

Request Programs::TakeStream() {
  const Request request = virtio_gpu::SubmitRequest(context_, stream_.bytes());
  stream_.bytes().clear();
  return request;
}

void Programs::Call(const Request& request) {
  // Any answer will do: what it is about may have gone in a reset.
  driver_.Call(request.bytes(), sizeof(virtio_gpu::wire::CtrlHeader) + 8);
}

}  // namespace nacre
