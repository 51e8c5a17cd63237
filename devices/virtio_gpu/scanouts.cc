#include "devices/virtio_gpu/scanouts.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/error.h"

namespace nacre::virtio_gpu {
namespace {

// 5.7.6.10: cursors are of this size; we take smaller ones too.
constexpr uint32_t kCursorPixels = 64;
constexpr uint64_t kCursorBytes =
    uint64_t{kCursorPixels} * kCursorPixels * kBytesPerPixel;

bool Contains(uint32_t width, uint32_t height, const Rectangle& rect) {
  return RangeFits(rect.x, rect.width, width) &&
         RangeFits(rect.y, rect.height, height);
}

// Both rectangles' ends fit 32 bits.
std::optional<Rectangle> Intersect(const Rectangle& a, const Rectangle& b) {
  const uint32_t left = std::max(a.x, b.x);
  const uint32_t top = std::max(a.y, b.y);
  const uint32_t right = std::min(a.x + a.width, b.x + b.width);
  const uint32_t bottom = std::min(a.y + a.height, b.y + b.height);
  if (left >= right || top >= bottom) return std::nullopt;
  return Rectangle{left, top, right - left, bottom - top};
}

PictureLayout LayoutOf(const Image& image) {
  return {image.format, image.width, image.height, 0, image.stride()};
}

std::span<const uint8_t> BytesOf(const Image& image) {
  return {image.pixels.get(), image.size_bytes()};
}

}  // namespace

absl::Status Scanouts::CheckId(uint32_t scanout_id) const {
  if (scanout_id < scanouts_.size()) return absl::OkStatus();
  return ScanoutIdError(
      scanout_id, absl::StrCat("of ", scanouts_.size(), " does not exist"));
}

absl::Status Scanouts::CheckSize(const Rectangle& visible) const {
  const uint64_t bytes =
      uint64_t{visible.width} * visible.height * kBytesPerPixel;
  if (bytes <= max_bytes_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("scanout of ", bytes, " bytes: at most ", max_bytes_));
}

absl::Status Scanouts::Set(const SetScanout& command, Resource& resource) {
  RETURN_IF_ERROR(CheckId(command.scanout_id));
  if (!resource.image) {
    return absl::InvalidArgumentError(absl::StrCat(
        "SET_SCANOUT of resource ", resource.id, ", which is no 2D resource"));
  }
  const Image& image = *resource.image;
  if (!Contains(image.width, image.height, command.rect)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the scanout's rectangle leaves resource ", resource.id,
                     " of ", image.width, "x", image.height));
  }
  RETURN_IF_ERROR(CheckSize(command.rect));
  Scanout scanout;
  scanout.resource = &resource;
  scanout.origin = command.rect;
  scanout.layout = LayoutOf(image);
  Show(command.scanout_id, std::move(scanout));
  return absl::OkStatus();
}

absl::Status Scanouts::SetBlob(const SetScanoutBlob& command,
                               Resource& resource) {
  RETURN_IF_ERROR(CheckId(command.scanout_id));
  if (!resource.blob || command.end_offset > resource.blob->size) {
    return absl::InvalidArgumentError(
        absl::StrCat("SET_SCANOUT_BLOB of resource ", resource.id,
                     ", which is no blob of ", command.end_offset, " bytes"));
  }
  RETURN_IF_ERROR(CheckSize(command.rect));
  Scanout scanout;
  scanout.resource = &resource;
  scanout.origin = command.rect;
  scanout.layout = {command.format, command.width, command.height,
                    command.offset, command.stride};
  if (resource.blob->host != nullptr) {
    ASSIGN_OR_RETURN(const BlobMemory memory, relay_.Call([&] {
      return resource.blob->host->GetMemory();
    }));
    ASSIGN_OR_RETURN(scanout.mapping, Mapping::Shared(memory.fd, memory.offset,
                                                      resource.blob->size));
  }
  Show(command.scanout_id, std::move(scanout));
  return absl::OkStatus();
}

void Scanouts::Show(uint32_t scanout_id, Scanout scanout) {
  scanout.layout.offset += scanout.origin.y * scanout.layout.stride +
                           uint64_t{scanout.origin.x} * kBytesPerPixel;
  scanout.layout.width = scanout.origin.width;
  scanout.layout.height = scanout.origin.height;
  Scanout& current = scanouts_[scanout_id];
  if (current.resource != nullptr) {
    current.resource->scanouts &= ~(1u << scanout_id);
  }
  scanout.resource->scanouts |= 1u << scanout_id;
  current = std::move(scanout);
}

absl::Status Scanouts::Disable(uint32_t scanout_id) {
  RETURN_IF_ERROR(CheckId(scanout_id));
  Scanout& scanout = scanouts_[scanout_id];
  if (scanout.resource == nullptr) return absl::OkStatus();
  scanout.resource->scanouts &= ~(1u << scanout_id);
  scanout = Scanout();
  sink_->Disable(scanout_id);
  return absl::OkStatus();
}

absl::Status Scanouts::Flush(const Resource& resource, const Rectangle& rect) {
  if (resource.image &&
      !Contains(resource.image->width, resource.image->height, rect)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the flushed rectangle leaves resource ", resource.id));
  }
  if (resource.scanouts == 0) return absl::OkStatus();
  for (uint32_t id = 0; id < scanouts_.size(); ++id) {
    Scanout& scanout = scanouts_[id];
    if (scanout.resource != &resource) continue;
    const Rectangle& visible = scanout.origin;
    std::optional<Rectangle> damage =
        scanout.fresh ? visible : Intersect(rect, visible);
    if (!damage) continue;
    damage->x -= visible.x;
    damage->y -= visible.y;
    scanout.fresh = false;
    if (resource.image) {
      sink_->Present(
          id, MemoryPicture(scanout.layout, BytesOf(*resource.image)), *damage);
    } else if (scanout.mapping.valid()) {
      sink_->Present(id, MemoryPicture(scanout.layout, scanout.mapping.bytes()),
                     *damage);
    } else if (resource.backing) {
      sink_->Present(id, GuestPicture(scanout.layout, *resource.backing),
                     *damage);
    }
  }
  return absl::OkStatus();
}

void Scanouts::Forget(Resource& resource) {
  if (resource.scanouts == 0) return;
  for (uint32_t id = 0; id < scanouts_.size(); ++id) {
    if (scanouts_[id].resource == &resource) (void)Disable(id);
  }
}

void Scanouts::Clear() {
  for (uint32_t id = 0; id < scanouts_.size(); ++id) {
    scanouts_[id] = Scanout();
    sink_->Disable(id);
    sink_->SetCursor(id, nullptr, 0, 0);
  }
}

absl::Status Scanouts::SetCursor(const UpdateCursor& command,
                                 const Resource* resource) {
  RETURN_IF_ERROR(CheckId(command.scanout_id));
  const uint32_t id = command.scanout_id;
  if (resource == nullptr) {
    sink_->SetCursor(id, nullptr, 0, 0);
  } else if (resource->image && resource->image->width <= kCursorPixels &&
             resource->image->height <= kCursorPixels) {
    const MemoryPicture picture(LayoutOf(*resource->image),
                                BytesOf(*resource->image));
    sink_->SetCursor(id, &picture, command.hot_x, command.hot_y);
  } else if (resource->backing && resource->backing->size() >= kCursorBytes) {
    const PictureLayout layout = {PixelFormat::kB8G8R8A8, kCursorPixels,
                                  kCursorPixels, 0,
                                  uint64_t{kCursorPixels} * kBytesPerPixel};
    const GuestPicture picture(layout, *resource->backing);
    sink_->SetCursor(id, &picture, command.hot_x, command.hot_y);
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("resource ", resource->id, " holds no cursor"));
  }
  sink_->MoveCursor(id, command.x, command.y);
  return absl::OkStatus();
}

absl::Status Scanouts::MoveCursor(const virtio_gpu::MoveCursor& command) {
  RETURN_IF_ERROR(CheckId(command.scanout_id));
  sink_->MoveCursor(command.scanout_id, command.x, command.y);
  return absl::OkStatus();
}

}  // namespace nacre::virtio_gpu
