#ifndef NACRE_DEVICES_VIRTIO_GPU_REQUEST_BUFFER_H_
#define NACRE_DEVICES_VIRTIO_GPU_REQUEST_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/base/optimization.h"

namespace nacre::virtio_gpu {

// Where the bytes of one request after the other are copied to. Allocates only
// to grow: also large requests cost no allocation while they keep coming. What
// is beyond kKeptBytes is given back when they have stopped; a guest's rare
// large requests do not hold our memory for good.
class RequestBuffer {
 public:
  static constexpr size_t kKeptBytes = size_t{64} << 10;
  // Small requests in a row after which large ones have stopped.
  static constexpr int kPatience = 4096;

  // Of `size` bytes, undefined; valid until the next call.
  std::span<uint8_t> Get(size_t size) {
    if (ABSL_PREDICT_FALSE(size > capacity_ || large())) Prepare(size);
    return {bytes_.get(), size};
  }

  // Whether Shrink has something to give back.
  bool large() const { return capacity_ > kKeptBytes; }
  void Shrink();

 private:
  void Prepare(size_t size);

  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  int small_in_a_row_ = 0;  // While large.
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_REQUEST_BUFFER_H_
