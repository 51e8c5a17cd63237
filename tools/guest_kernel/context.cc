#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "base/checked.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/wire.h"
#include "tools/guest_kernel/virtio_gpu_driver.h"

namespace nacre::guest_kernel {
namespace {

namespace wire = virtio_gpu::wire;
using wire::Type;

}  // namespace

Context::Context(VirtioGpuDriver* driver, const ContextParams& params)
    : driver_(driver),
      id_(driver->TakeContextId()),
      num_rings_(std::min(params.num_rings, VirtioGpuDriver::kMaxRings)),
      base_fence_context_(driver->next_fence_context_.fetch_add(num_rings_)) {
  wire::CtxCreate create = {};
  const size_t length =
      std::min(params.name.size(), sizeof(create.debug_name) - 1);
  create.nlen = static_cast<uint32_t>(length);
  create.context_init = params.capset_id;
  std::memcpy(create.debug_name, params.name.data(), length);
  driver_->queue_->Queue(GpuCommand(Type::kCtxCreate, id_).With(create),
                         ControlQueue::Kick::kNow);
}

Context::~Context() {
  driver_->queue_->Queue(GpuCommand(Type::kCtxDestroy, id_),
                         ControlQueue::Kick::kNow);
  // Behind CTX_DESTROY: the next context may have the id at once.
  driver_->FreeContextId(id_);
}

absl::Status Context::CheckCommands(std::span<const uint8_t> commands) const {
  if (commands.size() <= VirtioGpuDriver::kMaxSubmitBytes) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("SUBMIT_3D of %d bytes: at most %d", commands.size(),
                      VirtioGpuDriver::kMaxSubmitBytes));
}

GpuCommand Context::SubmitCommand(std::span<const uint8_t> commands) const {
  GpuCommand command(Type::kSubmit3d, id_);
  command.With(wire::Submit3d{static_cast<uint32_t>(commands.size()), 0});
  command.payload = commands;
  return command;
}

absl::StatusOr<std::shared_ptr<Fence>> Context::Submit(
    std::span<const uint8_t> commands, std::optional<uint32_t> ring,
    bool fenced) {
  RETURN_IF_ERROR(CheckCommands(commands));
  if (ring && *ring >= num_rings_) {
    return absl::InvalidArgumentError(
        absl::StrFormat("ring %d of a context that has %d", *ring, num_rings_));
  }
  GpuCommand command = SubmitCommand(commands);
  std::shared_ptr<Fence> fence;
  if (fenced) {
    fence = std::make_shared<Fence>(
        ring ? ring_fence_context(*ring) : driver_->global_fence_context(),
        &driver_->counters_);
    command.fence = fence;
    if (ring) {
      command.header.flags = wire::kFlagInfoRingIdx;
      command.header.ring_idx = static_cast<uint8_t>(*ring);
    }
  }
  driver_->queue_->Queue(std::move(command), ControlQueue::Kick::kNow);
  return fence;
}

absl::StatusOr<std::shared_ptr<Blob>> Context::CreateBlob(
    const BlobParams& params, std::span<const uint8_t> commands) {
  RETURN_IF_ERROR(CheckCommands(commands));
  const std::optional<uint64_t> size =
      CheckedAlignUp(params.size, HostPageSize());
  if (params.size == 0 || !size) {
    return absl::InvalidArgumentError("blob of no possible size");
  }
  if (!commands.empty()) {
    driver_->queue_->Queue(SubmitCommand(commands), ControlQueue::Kick::kLater);
  }
  auto blob = absl::WrapUnique(new Blob(
      driver_, driver_->next_resource_id_.fetch_add(1), params.flags, *size));
  const wire::ResourceCreateBlob create = {
      .resource_id = blob->resource_id(),
      .blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3d),
      .blob_flags = params.flags,
      .nr_entries = 0,
      .blob_id = params.blob_id,
      .size = *size};
  driver_->queue_->Queue(
      GpuCommand(Type::kResourceCreateBlob, id_).With(create),
      ControlQueue::Kick::kLater);
  if (blob->mappable()) RETURN_IF_ERROR(blob->Map());
  return blob;
}

void Context::Attach(const Blob& blob) {
  driver_->queue_->Queue(GpuCommand(Type::kCtxAttachResource, id_)
                             .With(wire::ResourceId{blob.resource_id(), 0}),
                         ControlQueue::Kick::kLater);
}

void Context::Detach(const Blob& blob) {
  driver_->queue_->Queue(GpuCommand(Type::kCtxDetachResource, id_)
                             .With(wire::ResourceId{blob.resource_id(), 0}),
                         ControlQueue::Kick::kLater);
}

void Context::AssignUuid(const Blob& blob) {
  GpuCommand command(Type::kResourceAssignUuid);
  command.With(wire::ResourceId{blob.resource_id(), 0});
  command.response_size = sizeof(wire::CtrlHeader) + sizeof(wire::ResourceUuid);
  driver_->queue_->Queue(std::move(command), ControlQueue::Kick::kLater);
}

std::shared_ptr<Fence> Context::Transfer(Type type,
                                         const wire::TransferHost3d& transfer) {
  GpuCommand command(type, id_);
  command.With(transfer);
  command.fence = std::make_shared<Fence>(driver_->global_fence_context(),
                                          &driver_->counters_);
  std::shared_ptr<Fence> fence = command.fence;
  driver_->queue_->Queue(std::move(command), ControlQueue::Kick::kNow);
  return fence;
}

}  // namespace nacre::guest_kernel
