#include "devices/virtio_gpu/request_buffer.h"

#include <algorithm>
#include <bit>

namespace nacre::virtio_gpu {

void RequestBuffer::Prepare(size_t size) {
  if (large()) {
    if (size > kKeptBytes) {
      small_in_a_row_ = 0;
    } else if (++small_in_a_row_ == kPatience) {
      Shrink();
    }
  }
  if (size > capacity_) {
    const size_t capacity = std::bit_ceil(std::max(size, kKeptBytes));
    bytes_ = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    capacity_ = capacity;
    small_in_a_row_ = 0;
  }
}

void RequestBuffer::Shrink() {
  if (!large()) return;
  bytes_.reset();
  capacity_ = 0;
}

}  // namespace nacre::virtio_gpu
