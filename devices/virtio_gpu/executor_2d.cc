#include <span>

#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/executor.h"

// Displays, 2D resources and cursors (virtio 1.3, 5.7.6.8 and 5.7.6.10).
namespace nacre::virtio_gpu {

Executor::Result Executor::Run(const GetDisplayInfo&) {
  return DisplayModes{env_.num_scanouts, env_.width, env_.height};
}

Executor::Result Executor::Run(const GetEdid& command) {
  if (command.scanout_id >= env_.num_scanouts) {
    return ScanoutIdError(command.scanout_id, "does not exist");
  }
  return Edid{env_.width, env_.height};
}

Executor::Result Executor::Run(const ResourceCreate2d& command) {
  RETURN_IF_ERROR(resources_.CreateImage(command.resource_id, command.format,
                                         command.width, command.height));
  env_.stats->resources_created.Add();
  UpdateGauges();
  return NoData();
}

Executor::Result Executor::Run(const TransferToHost2d& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  if (!resource->image || !resource->backing) {
    return absl::InvalidArgumentError(
        absl::StrCat("TRANSFER_TO_HOST_2D to resource ", resource->id,
                     ", which is no 2D resource with a backing"));
  }
  Image& image = *resource->image;
  const Rectangle& rect = command.rect;
  if (!RangeFits(rect.x, rect.width, image.width) ||
      !RangeFits(rect.y, rect.height, image.height)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the transfer's rectangle leaves resource ", resource->id,
                     " of ", image.width, "x", image.height));
  }
  // The backing's rows are as long as the image's. Within the image nothing
  // below overflows but the guest's offset.
  const uint64_t stride = image.stride();
  const uint64_t row_bytes = uint64_t{rect.width} * kBytesPerPixel;
  const uint64_t length = (rect.height - 1) * stride + row_bytes;
  if (!RangeFits(command.offset, length, resource->backing->size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("transfer of ", length, " bytes at ", command.offset,
                     " of a backing of ", resource->backing->size()));
  }
  const std::span<uint8_t> pixels(image.pixels.get(), image.size_bytes());
  const uint64_t first = rect.y * stride + uint64_t{rect.x} * kBytesPerPixel;
  if (rect.width == image.width) {
    RETURN_IF_ERROR(
        resource->backing->Read(command.offset, pixels.subspan(first, length)));
    return NoData();
  }
  for (uint64_t row = 0; row < rect.height; ++row) {
    RETURN_IF_ERROR(resource->backing->Read(
        command.offset + row * stride,
        pixels.subspan(first + row * stride, row_bytes)));
  }
  return NoData();
}

Executor::Result Executor::Run(const SetScanout& command) {
  if (command.resource_id == 0) {
    RETURN_IF_ERROR(scanouts_.Disable(command.scanout_id));
    return NoData();
  }
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  RETURN_IF_ERROR(scanouts_.Set(command, *resource));
  return NoData();
}

Executor::Result Executor::Run(const SetScanoutBlob& command) {
  if (command.resource_id == 0) {
    RETURN_IF_ERROR(scanouts_.Disable(command.scanout_id));
    return NoData();
  }
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  RETURN_IF_ERROR(scanouts_.SetBlob(command, *resource));
  return NoData();
}

Executor::Result Executor::Run(const ResourceFlush& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  RETURN_IF_ERROR(scanouts_.Flush(*resource, command.rect));
  return NoData();
}

Executor::Result Executor::Run(const UpdateCursor& command) {
  Resource* resource = nullptr;
  if (command.resource_id != 0) {
    ASSIGN_OR_RETURN(resource, resources_.Find(command.resource_id));
  }
  RETURN_IF_ERROR(scanouts_.SetCursor(command, resource));
  return NoData();
}

Executor::Result Executor::Run(const virtio_gpu::MoveCursor& command) {
  RETURN_IF_ERROR(scanouts_.MoveCursor(command));
  return NoData();
}

}  // namespace nacre::virtio_gpu
