#include "nacre/stress/programs.h"

#include <iterator>
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
// By submitqueue: the driver's own, of the middle priority, and two that a
// program makes, of the highest and the lowest. Each priority has its ring.
constexpr uint8_t kRings[] = {2, 1, 3};
constexpr uint32_t kPriorities[] = {0, 2};

}  // namespace

Programs::Programs(SharedDriver& driver, std::span<uint8_t> window,
                   const Options& options)
    : driver_(driver),
      window_(window),
      options_(options),
      context_(1 + options.number),
      first_page_(options.number * (1 + kBuffers)),
      random_(options.number) {}

void Programs::Advance() {
  if (left_ == 0) {
    Begin();
    left_ = kSteps + 1;
  } else if (--left_ != 0) {
    Step();
  } else {
    End();
  }
}

void Programs::RunOne() {
  do {
    Advance();
  } while (left_ != 0);
}

void Programs::Begin() {
  Call(virtio_gpu::CreateContextRequest(context_, msm::VIRTIO_GPU_CAPSET_DRM));
  CreateBlob(0, 0);
  for (uint32_t i = 1; i <= kBuffers; ++i) NewBuffer(i);
  for (const uint32_t priority : kPriorities) NewQueue(priority);
  Flush();
  for (uint32_t i = 1; i <= kBuffers; ++i) CreateBlob(i, i);
}

void Programs::End() {
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
  const uint32_t resource = Resource(options_.number, buffer);
  if (options_.hang && Below(64) == 0) {
    // No packet of any type.
    stream_.Add(msm::MSM_CCMD_GEM_UPLOAD, {resource, 0, 0, 16},
                std::vector<uint8_t>(16, 0xff));
    Submit(/*commands=*/true);
    return;
  }
  switch (Below(9)) {
    case 0:
      Call(virtio_gpu::MapRequest(resource, (first_page_ + buffer) * kPage));
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
                                      Resource(Below(options_.count), buffer))
              .Context(context_);
      Call(attach);
      break;
    }
    case 4: {
      stream_.Add(msm::MSM_CCMD_GEM_UPLOAD, {resource, 0, 0, 4},
                  std::vector<uint8_t>{1, 2, 3, 4});
      break;
    }
    case 5:
      stream_.Add(msm::MSM_CCMD_WAIT_FENCE, {Below(std::size(kRings)), fence_});
      Flush();
      break;
    case 6:
      // On the timeline that is nobody's.
      Call(TakeStream().Fence(++fence_));
      break;
    default:
      Submit();
  }
}

void Programs::Submit(bool commands) {
  const uint32_t queue = Below(std::size(kRings));
  const msm::drm_msm_gem_submit_bo bo = {
      .flags = commands ? msm::MSM_SUBMIT_BO_READ : msm::MSM_SUBMIT_BO_WRITE,
      .handle = Resource(options_.number, 1 + Below(kBuffers)),
      .presumed = 0};
  const msm::drm_msm_gem_submit_cmd cmd = {.type = msm::MSM_SUBMIT_CMD_BUF,
                                           .submit_idx = 0,
                                           .submit_offset = 0,
                                           .size = 16,
                                           .pad = 0,
                                           .nr_relocs = 0,
                                           .relocs = 0};
  const std::span<const uint8_t> bytes = AsBytes(bo);
  std::vector<uint8_t> arrays(bytes.begin(), bytes.end());
  if (commands) {
    const std::span<const uint8_t> more = AsBytes(cmd);
    arrays.insert(arrays.end(), more.begin(), more.end());
  }
  stream_.Add(msm::MSM_CCMD_GEM_SUBMIT,
              {msm::MSM_PIPE_3D0, queue, 1, commands ? 1u : 0u, ++fence_},
              arrays);
  Request request = TakeStream().Fence(fence_, kRings[queue]);
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

void Programs::NewQueue(uint32_t priority) {
  const msm::drm_msm_submitqueue queue = {
      .flags = 0, .prio = priority, .id = 0};
  // Its id is the next number, and the answer of no interest.
  stream_.Add(msm::MSM_CCMD_IOCTL_SIMPLE, {msm::DRM_IOCTL_MSM_SUBMITQUEUE_NEW},
              AsBytes(queue));
}

void Programs::CreateBlob(uint32_t i, uint64_t blob_id) {
  virtio_gpu::wire::ResourceCreateBlob blob = {};
  blob.resource_id = Resource(options_.number, i);
  blob.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kHost3d);
  blob.blob_flags = virtio_gpu::wire::kBlobFlagUseMappable |
                    virtio_gpu::wire::kBlobFlagUseShareable;
  blob.blob_id = blob_id;
  blob.size = kPage;
  Call(Request(Type::kResourceCreateBlob).Context(context_).With(blob));
}

Request Programs::OnResource(Type type, uint32_t i) {
  return virtio_gpu::ResourceRequest(type, Resource(options_.number, i))
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
