#ifndef NACRE_DEVICES_VIRTIO_GPU_DISPLAY_SINK_H_
#define NACRE_DEVICES_VIRTIO_GPU_DISPLAY_SINK_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace nacre::virtio_gpu {

// Where pixels of a scanout end up. Four bytes each; named by the order of
// their bytes in memory, with the wire's numbers (VIRTIO_GPU_FORMAT_*).
enum class PixelFormat : uint32_t {
  kB8G8R8A8 = 1,
  kB8G8R8X8 = 2,
  kA8R8G8B8 = 3,
  kX8R8G8B8 = 4,
  kR8G8B8A8 = 67,
  kX8B8G8R8 = 68,
  kA8B8G8R8 = 121,
  kR8G8B8X8 = 134,
};
inline constexpr uint32_t kBytesPerPixel = 4;

struct Rectangle {
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  friend bool operator==(const Rectangle&, const Rectangle&) = default;
};

// A picture that the guest shows. Valid during the call it is passed to: the
// pixels stay wherever they are (our heap, a GPU buffer, guest memory) until
// the sink asks for the ones it needs.
class Picture {
 public:
  virtual ~Picture() = default;
  virtual PixelFormat format() const = 0;
  virtual uint32_t width() const = 0;   // In pixels, non-zero.
  virtual uint32_t height() const = 0;  // In pixels, non-zero.
  // Copies the out.size() / kBytesPerPixel pixels of row `y` from column `x`
  // on, which lie within the picture. Errors where the guest took the memory
  // away; `out` is unspecified then.
  virtual absl::Status ReadRow(uint32_t x, uint32_t y,
                               std::span<uint8_t> out) const = 0;
};

// Where the device's scanouts show up: a window, a video stream, a test. Called
// by one thread at a time, which it must not hold up; pixels are the guest's
// and may be torn. `scanout` is below the configured number.
class DisplaySink {
 public:
  virtual ~DisplaySink() = default;

  // `damage` of `picture`, non-empty and within it, changed since the last
  // Present for this scanout; all of it where its size or format differ or
  // Disable came between.
  virtual void Present(uint32_t scanout, const Picture& picture,
                       const Rectangle& damage) = 0;
  // The scanout shows nothing from now on.
  virtual void Disable(uint32_t scanout) = 0;

  // The cursor's picture and the pixel of it that points; null hides it.
  virtual void SetCursor(uint32_t scanout, const Picture* picture,
                         uint32_t hot_x, uint32_t hot_y) = 0;
  // In pixels of the scanout; the guest may place it outside.
  virtual void MoveCursor(uint32_t scanout, uint32_t x, uint32_t y) = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_DISPLAY_SINK_H_
