#ifndef NACRE_DEVICES_VIRTIO_GPU_DISPLAY_HEADLESS_SINK_H_
#define NACRE_DEVICES_VIRTIO_GPU_DISPLAY_HEADLESS_SINK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "devices/virtio_gpu/display/sink.h"

namespace nacre::virtio_gpu {

// A sink without a display: keeps the last frame of each scanout, so that
// tests and screenshots can look at it, or only counts. Thread-safe.
class HeadlessSink : public DisplaySink {
 public:
  enum class Keep {
    kFrames,
    // No copies are made: frame() is always empty, as are cursors.
    kCounts,
  };

  struct Frame {
    PixelFormat format = PixelFormat::kB8G8R8X8;
    uint32_t width = 0;
    uint32_t height = 0;
    std::vector<uint8_t> pixels;  // Rows of width * kBytesPerPixel bytes.
  };
  struct Cursor {
    std::optional<Frame> frame;  // Empty when hidden.
    uint32_t hot_x = 0;
    uint32_t hot_y = 0;
    uint32_t x = 0;
    uint32_t y = 0;
  };

  explicit HeadlessSink(Keep keep = Keep::kFrames) : keep_(keep) {}

  // What `scanout` shows; nullopt when nothing.
  std::optional<Frame> frame(uint32_t scanout) const;
  Cursor cursor(uint32_t scanout) const;
  // Calls of Present so far, over all scanouts.
  uint64_t frames_presented() const;

  void Present(uint32_t scanout, const Picture& picture,
               const Rectangle& damage) override;
  void Disable(uint32_t scanout) override;
  void SetCursor(uint32_t scanout, const Picture* picture, uint32_t hot_x,
                 uint32_t hot_y) override;
  void MoveCursor(uint32_t scanout, uint32_t x, uint32_t y) override;

 private:
  const Keep keep_;
  mutable Mutex mutex_;
  std::map<uint32_t, Frame> frames_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, Cursor> cursors_ ABSL_GUARDED_BY(mutex_);
  uint64_t frames_presented_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_DISPLAY_HEADLESS_SINK_H_
