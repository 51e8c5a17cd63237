#include "devices/virtio_gpu/msm/testing/device_guest.h"

#include <poll.h>

#include <utility>

#include "base/page_size.h"
#include "devices/virtio/split_ring.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "glog/logging.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
namespace wire = virtio_gpu::wire;

constexpr uint64_t kRamBytes = uint64_t{64} << 20;
constexpr uint64_t kWindowBytes = uint64_t{16} << 20;
constexpr uint64_t kShmemBytes = kLargestPageSize;
// What a guest presets where it expects an answer.
constexpr uint32_t kRoom = 64;

}  // namespace

DeviceGuest::DeviceGuest(NullDrmDevice& drm)
    : ram_(kRamBytes),
      kick_(*EventFd::Create()),
      interrupt_(*EventFd::Create()) {
  auto type = *MsmContextType::Create(drm);
  counters_ = &type->counters();
  std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
  types.push_back(std::move(type));
  virtio_gpu::VirtioGpu::Config config;
  config.window_bytes = kWindowBytes;
  device_ = *virtio_gpu::VirtioGpu::Create(
      config, std::move(types), std::make_unique<virtio_gpu::HeadlessSink>());
  layout_ = {
      .size = kQueueSize,
      .descriptor_table =
          ram_.Allocate(virtio::DescriptorTableSize(kQueueSize)),
      .available_ring = ram_.Allocate(virtio::AvailableRingSize(kQueueSize)),
      .used_ring = ram_.Allocate(virtio::UsedRingSize(kQueueSize)),
      .event_index = true,
      .indirect = true};
  virtio::Activation activation{.driver_features = device_->device_features(),
                                .memory = &ram_.memory(),
                                .notifier = this,
                                .queues = {}};
  activation.queues.push_back(
      {.index = wire::kControlQueue,
       .queue = *virtio::Virtqueue::Create(&ram_.memory(), layout_),
       .kick = *kick_.Duplicate()});
  CHECK(device_->Activate(std::move(activation)).ok());
}

DeviceGuest::~DeviceGuest() { device_->Reset(); }

DeviceGuest::Prepared DeviceGuest::Prepare(const Request& request) {
  std::vector<virtio::Descriptor> table;
  const auto add = [&table](uint64_t address, size_t size, uint16_t flags) {
    table.push_back({address, static_cast<uint32_t>(size), flags,
                     static_cast<uint16_t>(table.size() + 1)});
  };
  // As virtgpu_vq.c: the fixed part of a SUBMIT_3D, then its commands.
  const std::vector<uint8_t> bytes = request.bytes();
  const std::span<const uint8_t> all(bytes);
  const size_t fixed =
      request.header().type == static_cast<uint32_t>(wire::Type::kSubmit3d)
          ? sizeof(wire::CtrlHeader) + sizeof(wire::Submit3d)
          : all.size();
  add(ram_.Store(all.first(fixed)), fixed, virtio::kDescriptorNext);
  if (fixed != all.size()) {
    add(ram_.Store(all.subspan(fixed)), all.size() - fixed,
        virtio::kDescriptorNext);
  }
  const uint64_t answer = ram_.Allocate(sizeof(wire::CtrlHeader));
  add(answer, sizeof(wire::CtrlHeader), virtio::kDescriptorWrite);
  const std::span<const uint8_t> table_bytes(
      reinterpret_cast<const uint8_t*>(table.data()),
      table.size() * sizeof(table[0]));
  return {.table = ram_.Store(table_bytes),
          .table_bytes = static_cast<uint32_t>(table_bytes.size()),
          .answer = answer};
}

DeviceGuest::Prepared DeviceGuest::PrepareSubmit(
    uint32_t ctx_id, std::span<const uint8_t> ccmds) {
  return Prepare(virtio_gpu::SubmitRequest(ctx_id, ccmds));
}

void DeviceGuest::Run(std::span<const Prepared> requests) {
  CHECK_LE(requests.size(), kQueueSize);
  const vmm::GuestMemory& memory = ram_.memory();
  for (const Prepared& request : requests) {
    const uint16_t slot = available_ % kQueueSize;
    ram_.WriteValue(
        layout_.descriptor_table + slot * sizeof(virtio::Descriptor),
        virtio::Descriptor{request.table, request.table_bytes,
                           virtio::kDescriptorIndirect, 0});
    ram_.WriteValue(layout_.available_ring + virtio::kRingEntriesOffset +
                        slot * sizeof(uint16_t),
                    slot);
    ++available_;
  }
  // The event field of the last one: an interrupt for it alone.
  CHECK(memory
            .StoreRelease16(
                layout_.available_ring + virtio::UsedEventOffset(kQueueSize),
                static_cast<uint16_t>(available_ - 1))
            .ok());
  CHECK(memory
            .StoreRelease16(layout_.available_ring + virtio::kRingIndexOffset,
                            available_)
            .ok());
  kick_.Signal();
  while (*memory.LoadAcquire16(layout_.used_ring + virtio::kRingIndexOffset) !=
         available_) {
    pollfd poll_fd = {.fd = interrupt_.fd(), .events = POLLIN, .revents = 0};
    PCHECK(poll(&poll_fd, 1, /*timeout=*/30'000) == 1) << "no interrupt";
    interrupt_.Clear();
  }
  const auto answer = ram_.ReadValue<wire::CtrlHeader>(requests.back().answer);
  CHECK_EQ(answer.type, static_cast<uint32_t>(wire::Type::kOkNodata));
}

void DeviceGuest::NotifyUsedBuffers(uint16_t) { interrupt_.Signal(); }

void DeviceGuest::SetNeedsReset() { LOG(FATAL) << "the ring is broken"; }

void DeviceGuest::Call(const Request& request) {
  const Prepared prepared = Prepare(request);
  Run({&prepared, 1});
}

void DeviceGuest::CreateContext(uint32_t ctx_id) {
  Call(virtio_gpu::CreateContextRequest(ctx_id, VIRTIO_GPU_CAPSET_DRM));
  wire::ResourceCreateBlob blob = {};
  blob.resource_id = next_resource_++;
  blob.blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3d);
  blob.blob_flags = wire::kBlobFlagUseMappable;
  blob.size = kShmemBytes;
  Call(Request(wire::Type::kResourceCreateBlob).Context(ctx_id).With(blob));
  const Prepared map = Prepare(virtio_gpu::MapRequest(blob.resource_id, 0));
  // Its answer is another one: a command that does nothing follows.
  const Prepared nop = PrepareSubmit(ctx_id, {});
  const std::array<Prepared, 2> both = {map, nop};
  Run(both);
  const std::span<uint8_t> shmem =
      device_->shared_memory_regions()[0].host.first(kShmemBytes);
  for (size_t at = sizeof(msm_shmem); at < shmem.size(); at += sizeof(kRoom)) {
    std::memcpy(shmem.data() + at, &kRoom, sizeof(kRoom));
  }
  Call(virtio_gpu::ResourceRequest(wire::Type::kResourceUnmapBlob,
                                   blob.resource_id));
}

void DeviceGuest::DestroyContext(uint32_t ctx_id) {
  Call(Request(wire::Type::kCtxDestroy).Context(ctx_id));
}

uint32_t DeviceGuest::NewBuffer(uint32_t ctx_id, uint64_t size) {
  const uint32_t resource = next_resource_++;
  const uint64_t iova = kIova + resource * kLargestPageSize;
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_NEW, {Low(iova), High(iova), Low(size), High(size),
                                MSM_BO_WC, resource});
  const Prepared submit = PrepareSubmit(ctx_id, stream.bytes());
  Run({&submit, 1});
  Call(virtio_gpu::HostBlobRequest(ctx_id, resource, size));
  return resource;
}

}  // namespace nacre::msm
