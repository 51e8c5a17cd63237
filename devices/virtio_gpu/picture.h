#ifndef NACRE_DEVICES_VIRTIO_GPU_PICTURE_H_
#define NACRE_DEVICES_VIRTIO_GPU_PICTURE_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "devices/virtio_gpu/backing.h"
#include "devices/virtio_gpu/display/sink.h"

namespace nacre::virtio_gpu {

// Where a picture lies within bytes: row y begins at offset + y * stride.
struct PictureLayout {
  PixelFormat format;
  uint32_t width;
  uint32_t height;
  uint64_t offset;
  uint64_t stride;
};

// A picture in memory of this process: our own, or a GPU's.
class MemoryPicture : public Picture {
 public:
  // `bytes` hold all of `layout`.
  MemoryPicture(const PictureLayout& layout, std::span<const uint8_t> bytes)
      : layout_(layout), bytes_(bytes) {}

  PixelFormat format() const override { return layout_.format; }
  uint32_t width() const override { return layout_.width; }
  uint32_t height() const override { return layout_.height; }
  absl::Status ReadRow(uint32_t x, uint32_t y,
                       std::span<uint8_t> out) const override;

 private:
  const PictureLayout layout_;
  const std::span<const uint8_t> bytes_;
};

// A picture in guest memory.
class GuestPicture : public Picture {
 public:
  GuestPicture(const PictureLayout& layout, const Backing& backing)
      : layout_(layout), backing_(backing) {}

  PixelFormat format() const override { return layout_.format; }
  uint32_t width() const override { return layout_.width; }
  uint32_t height() const override { return layout_.height; }
  absl::Status ReadRow(uint32_t x, uint32_t y,
                       std::span<uint8_t> out) const override;

 private:
  const PictureLayout layout_;
  const Backing& backing_;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_PICTURE_H_
