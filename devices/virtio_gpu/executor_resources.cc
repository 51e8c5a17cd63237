#include <sys/random.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/error.h"
#include "devices/virtio_gpu/executor.h"

// Resources of all kinds, their backing and their place in the window (virtio
// 1.3, 5.7.6.8).
namespace nacre::virtio_gpu {

Executor::Result Executor::Run(const ResourceUnref& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  // The spec wants it unmapped and out of use by now; the guest may not care.
  RETURN_IF_ERROR(Unmap(*resource));
  scanouts_.Forget(*resource);
  Destroy(*resource);
  UpdateGauges();
  return NoData();
}

Executor::Result Executor::Run(const ResourceAttachBacking& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  ASSIGN_OR_RETURN(Backing backing,
                   Backing::Create(env_.memory, command.entries));
  RETURN_IF_ERROR(resources_.AttachBacking(*resource, std::move(backing)));
  return NoData();
}

Executor::Result Executor::Run(const ResourceDetachBacking& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  resources_.DetachBacking(*resource);
  return NoData();
}

Executor::Result Executor::Run(const ResourceAssignUuid& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  if (!resource->uuid) {
    std::array<uint8_t, 16> uuid;
    if (getrandom(uuid.data(), uuid.size(), GRND_NONBLOCK) !=
        static_cast<ssize_t>(uuid.size())) {
      return ErrnoStatus("getrandom");
    }
    uuid[6] = (uuid[6] & 0x0f) | 0x40;  // RFC 4122: version 4...
    uuid[8] = (uuid[8] & 0x3f) | 0x80;  // ... of the common variant.
    resource->uuid = uuid;
  }
  return ResourceUuid{*resource->uuid};
}

Executor::Result Executor::Run(const ResourceCreateBlob& command) {
  const ContextTable::Entry* const entry = context_;
  Result result = CreateBlob(command);
  if (!result.ok() && command.mem != wire::BlobMem::kGuest) {
    CancelBlob(entry, command.request.blob_id);
  }
  return result;
}

void Executor::Refuse(const Target& target, std::span<const uint8_t> body) {
  if (target.header.type() != wire::Type::kResourceCreateBlob) return;
  const auto blob = ByteReader(body).Read<wire::ResourceCreateBlob>();
  if (!blob ||
      static_cast<wire::BlobMem>(blob->blob_mem) == wire::BlobMem::kGuest) {
    return;
  }
  CancelBlob(target.context, blob->blob_id);
}

void Executor::CancelBlob(const ContextTable::Entry* entry, uint64_t blob_id) {
  if (entry == nullptr || entry->context == nullptr) return;
  relay_.Call([&] { entry->context->CancelBlob(blob_id); });
}

Executor::Result Executor::CreateBlob(const ResourceCreateBlob& command) {
  RETURN_IF_ERROR(resources_.CheckNew(command.request.resource_id));
  // Pages of the guest alone never meet the host's, unless the driver promised
  // that they do (virtio 1.4, RESOURCE_CREATE_BLOB: size MUST be aligned).
  if (command.mem != wire::BlobMem::kGuest ||
      (env_.features & wire::kFeatureBlobAlignment) != 0) {
    RETURN_IF_ERROR(CheckHostPages("a blob's size", command.request.size));
  }
  std::optional<Backing> backing;
  if (command.mem != wire::BlobMem::kHost3d) {
    ASSIGN_OR_RETURN(backing, Backing::Create(env_.memory, command.entries));
  }
  std::unique_ptr<Blob> host;
  ContextTable::Entry* entry = nullptr;
  if (command.mem != wire::BlobMem::kGuest) {
    ASSIGN_OR_RETURN(entry, FindContext());
    if (entry->context == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("context ", ctx_id_, " has no dialect to make blobs"));
    }
    ASSIGN_OR_RETURN(host, relay_.Call([&] {
      return entry->context->CreateBlob(command.request);
    }));
    // Others may have been made meanwhile, up to the limit.
    if (absl::Status status = resources_.CheckNew(command.request.resource_id);
        !status.ok()) {
      relay_.Call([&] {
        entry->context->DetachResource(command.request.resource_id);
        host.reset();
      });
      return status;
    }
  }
  ASSIGN_OR_RETURN(
      Resource* const resource,
      resources_.CreateBlob(command.mem, command.request, std::move(host)));
  if (entry != nullptr) resource->blob->owner = entry->id;
  env_.stats->resources_created.Add();
  if (entry != nullptr) contexts_.AddAttached(*entry, *resource);
  if (backing) {
    if (absl::Status status =
            resources_.AttachBacking(*resource, *std::move(backing));
        !status.ok()) {
      Destroy(*resource);
      return status;
    }
  }
  UpdateGauges();
  return NoData();
}

Executor::Result Executor::Run(const ResourceMapBlob& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  if (!resource->blob || !resource->blob->mappable ||
      resource->blob->host == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "resource ", resource->id, " is no mappable blob of the host"));
  }
  BlobResource& blob = *resource->blob;
  if (blob.window_offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("resource ", resource->id, " is mapped already"));
  }
  RETURN_IF_ERROR(CheckHostPages("a place in the window", command.offset));
  ASSIGN_OR_RETURN(const BlobMemory memory,
                   relay_.Call([&] { return blob.host->GetMemory(); }));
  RETURN_IF_ERROR(env_.window->Map(command.offset, blob.size, memory));
  blob.window_offset = command.offset;
  UpdateGauges();
  return MapInfo{memory.caching};
}

Executor::Result Executor::Run(const ResourceUnmapBlob& command) {
  ASSIGN_OR_RETURN(Resource* const resource,
                   resources_.Find(command.resource_id));
  if (!resource->blob || !resource->blob->window_offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("resource ", resource->id, " is not mapped"));
  }
  RETURN_IF_ERROR(Unmap(*resource));
  UpdateGauges();
  return NoData();
}

absl::Status Executor::CheckHostPages(absl::string_view what, uint64_t bytes) {
  if (IsAligned(bytes, env_.page_size)) return absl::OkStatus();
  env_.stats->misaligned_blobs.Add();
  return absl::InvalidArgumentError(absl::StrCat(
      what, " is ", bytes, " and no multiple of the host's page of ",
      env_.page_size,
      " bytes: the guest needs a kernel with pages of at least that size"));
}

void Executor::Destroy(Resource& resource) {
  contexts_.DetachEverywhere(resource);
  if (resource.blob && resource.blob->host != nullptr) {
    relay_.Call([&] { resource.blob->host.reset(); });
  }
  resources_.Remove(resource);
}

absl::Status Executor::Unmap(Resource& resource) {
  if (!resource.blob || !resource.blob->window_offset) return absl::OkStatus();
  RETURN_IF_ERROR(env_.window->Unmap(*resource.blob->window_offset));
  resource.blob->window_offset.reset();
  return absl::OkStatus();
}

}  // namespace nacre::virtio_gpu
