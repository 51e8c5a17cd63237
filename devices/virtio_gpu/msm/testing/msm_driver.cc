#include "devices/virtio_gpu/msm/testing/msm_driver.h"

#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "glog/logging.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::VirtioGpu;
namespace wire = virtio_gpu::wire;

constexpr uint64_t kIova = uint64_t{1} << 32;
constexpr uint64_t kIovaStep = uint64_t{1} << 16;
static_assert(kIovaStep >= kLargestPageSize);

}  // namespace

VirtioGpu::Config MsmDriver::DefaultConfig() {
  VirtioGpu::Config config;
  config.window_bytes = uint64_t{64} << 20;
  return config;
}

MsmDriver::MsmDriver(DrmDevice& drm, const VirtioGpu::Config& config,
                     const MsmConfig& msm_config) {
  auto type = *MsmContextType::Create(drm, msm_config);
  counters_ = &type->counters();
  std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
  types.push_back(std::move(type));
  device_ = *VirtioGpu::Create(config, std::move(types),
                               std::make_unique<virtio_gpu::HeadlessSink>(
                                   virtio_gpu::HeadlessSink::Keep::kCounts));
  driver_ = std::make_unique<virtio::FakeDriver>(device_.get());
  CHECK(driver_->Start().ok());
}

wire::Type MsmDriver::Call(const Request& request) {
  const std::vector<uint8_t> response = driver_->Call(
      wire::kControlQueue, request.bytes(), sizeof(wire::CtrlHeader) + 8);
  return static_cast<wire::Type>(
      ByteReader(response).ReadZeroExtended<wire::CtrlHeader>().type);
}

wire::Type MsmDriver::CreateContext(uint32_t ctx_id) {
  streams_[ctx_id] = CcmdStream();
  return Call(virtio_gpu::CreateContextRequest(ctx_id, VIRTIO_GPU_CAPSET_DRM));
}

wire::Type MsmDriver::DestroyContext(uint32_t ctx_id) {
  return Call(Request(wire::Type::kCtxDestroy).Context(ctx_id));
}

void MsmDriver::CreateShmem(uint32_t ctx_id) {
  CHECK_LE(ctx_id, kContexts);
  wire::ResourceCreateBlob blob = {};
  blob.resource_id = ctx_id;
  blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3d);
  blob.blob_flags = wire::kBlobFlagUseMappable;
  blob.size = kShmemSize;
  CHECK(Call(Request(wire::Type::kResourceCreateBlob)
                 .Context(ctx_id)
                 .With(blob)) == wire::Type::kOkNodata);
  CHECK(Call(virtio_gpu::MapRequest(ctx_id, ctx_id * kShmemSize)) ==
        wire::Type::kOkMapInfo);
}

msm_shmem MsmDriver::shmem(uint32_t ctx_id) {
  msm_shmem words;
  std::memcpy(&words, window() + ctx_id * kShmemSize, sizeof(words));
  return words;
}

wire::Type MsmDriver::CreateBlob(uint32_t ctx_id, uint32_t resource_id,
                                 uint64_t size) {
  return Call(virtio_gpu::HostBlobRequest(ctx_id, resource_id, size));
}

wire::Type MsmDriver::OnResource(wire::Type type, uint32_t ctx_id,
                                 uint32_t resource_id) {
  return Call(virtio_gpu::ResourceRequest(type, resource_id).Context(ctx_id));
}

MsmDriver::Answer MsmDriver::Ccmd(uint32_t ctx_id, uint32_t cmd,
                                  std::initializer_list<uint32_t> words,
                                  std::span<const uint8_t> tail) {
  uint8_t* const shmem = window() + ctx_id * kShmemSize;
  uint8_t* const room = shmem + this->shmem(ctx_id).rsp_mem_offset;
  std::memset(room, 0, kRoom);
  std::memcpy(room, &kRoom, sizeof(kRoom));
  CcmdStream& stream = streams_[ctx_id];
  stream.bytes().clear();
  const uint32_t seqno = stream.Add(cmd, words, tail, /*rsp_off=*/0);
  Answer answer;
  answer.type = Call(virtio_gpu::SubmitRequest(ctx_id, stream.bytes()));
  // Whatever happened, a guest that waits for it goes on.
  if (answer.type == wire::Type::kOkNodata ||
      answer.type == wire::Type::kErrUnspec) {
    CHECK_EQ(this->shmem(ctx_id).seqno, seqno);
  }
  answer.bytes.assign(room, room + kRoom);
  std::memcpy(&answer.len, room, sizeof(answer.len));
  std::memcpy(&answer.ret, room + 4, sizeof(answer.ret));
  return answer;
}

wire::Type MsmDriver::NewBuffer(uint32_t ctx_id, uint32_t resource_id,
                                uint64_t size) {
  const uint64_t iova = IovaOf(resource_id);
  Ccmd(ctx_id, MSM_CCMD_GEM_NEW,
       {Low(iova), High(iova), Low(size), High(size), MSM_BO_WC, resource_id});
  return CreateBlob(ctx_id, resource_id, size);
}

uint64_t MsmDriver::IovaOf(uint32_t resource_id) {
  return kIova + resource_id * kIovaStep;
}

MsmDriver::Answer MsmDriver::Submit(uint32_t ctx_id, uint32_t fence) {
  return Ccmd(ctx_id, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, fence});
}

}  // namespace nacre::msm
