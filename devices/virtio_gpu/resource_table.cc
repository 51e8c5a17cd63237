#include "devices/virtio_gpu/resource_table.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"

namespace nacre::virtio_gpu {

absl::StatusOr<Resource*> ResourceTable::Find(uint32_t id) {
  const auto it = resources_.find(id);
  if (it == resources_.end()) return ResourceIdError(id, "does not exist");
  return it->second.get();
}

absl::Status ResourceTable::CheckNew(uint32_t id) const {
  if (resources_.contains(id)) return ResourceIdError(id, "is in use");
  if (resources_.size() >= limits_.max_resources) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the guest has ", resources_.size(),
                     " resources: at most ", limits_.max_resources));
  }
  return absl::OkStatus();
}

absl::Status ResourceTable::CreateImage(uint32_t id, PixelFormat format,
                                        uint32_t width, uint32_t height) {
  RETURN_IF_ERROR(CheckNew(id));
  Image image = {format, width, height, nullptr};
  const uint64_t bytes = image.size_bytes();
  if (bytes > limits_.max_total_image_bytes - image_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "2D resource of ", bytes, " bytes on top of ", image_bytes_,
        ": at most ", limits_.max_total_image_bytes));
  }
  // calloc: large ones cost memory only once the guest draws on them.
  image.pixels.reset(static_cast<uint8_t*>(std::calloc(bytes, 1)));
  if (image.pixels == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a 2D resource of ", bytes, " bytes"));
  }
  auto resource = std::make_unique<Resource>(id);
  resource->image = std::move(image);
  resources_.emplace(id, std::move(resource));
  image_bytes_ += bytes;
  return absl::OkStatus();
}

absl::StatusOr<Resource*> ResourceTable::CreateBlob(
    wire::BlobMem mem, const BlobRequest& request, std::unique_ptr<Blob> host) {
  RETURN_IF_ERROR(CheckNew(request.resource_id));
  auto resource = std::make_unique<Resource>(request.resource_id);
  resource->blob =
      BlobResource{mem,         request.size, request.mappable, std::move(host),
                   /*owner=*/0, std::nullopt};
  Resource* const result = resource.get();
  resources_.emplace(request.resource_id, std::move(resource));
  return result;
}

absl::Status ResourceTable::AttachBacking(Resource& resource, Backing backing) {
  if (resource.backing) {
    return absl::InvalidArgumentError(
        absl::StrCat("resource ", resource.id, " has a backing already"));
  }
  if (resource.blob && backing.size() < resource.blob->size) {
    return absl::InvalidArgumentError(
        absl::StrCat("backing of ", backing.size(), " bytes for a blob of ",
                     resource.blob->size));
  }
  if (backing.num_pieces() > limits_.max_total_mem_entries - backing_pieces_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "backing of ", backing.num_pieces(), " pieces on top of ",
        backing_pieces_, ": at most ", limits_.max_total_mem_entries));
  }
  backing_pieces_ += backing.num_pieces();
  resource.backing = std::move(backing);
  return absl::OkStatus();
}

void ResourceTable::DetachBacking(Resource& resource) {
  if (!resource.backing) return;
  backing_pieces_ -= resource.backing->num_pieces();
  resource.backing.reset();
}

void ResourceTable::Remove(Resource& resource) {
  DetachBacking(resource);
  if (resource.image) image_bytes_ -= resource.image->size_bytes();
  resources_.erase(resource.id);
}

}  // namespace nacre::virtio_gpu
