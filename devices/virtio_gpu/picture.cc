#include "devices/virtio_gpu/picture.h"

#include <cstring>

#include "base/checked.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

uint64_t PixelOffset(const PictureLayout& layout, uint32_t x, uint32_t y) {
  return layout.offset + y * layout.stride + uint64_t{x} * kBytesPerPixel;
}

}  // namespace

absl::Status MemoryPicture::ReadRow(uint32_t x, uint32_t y,
                                    std::span<uint8_t> out) const {
  const uint64_t offset = PixelOffset(layout_, x, y);
  CHECK(RangeFits(offset, out.size(), bytes_.size()));
  std::memcpy(out.data(), bytes_.data() + offset, out.size());
  return absl::OkStatus();
}

absl::Status GuestPicture::ReadRow(uint32_t x, uint32_t y,
                                   std::span<uint8_t> out) const {
  return backing_.Read(PixelOffset(layout_, x, y), out);
}

}  // namespace nacre::virtio_gpu
