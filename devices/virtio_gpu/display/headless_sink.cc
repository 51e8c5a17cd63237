#include "devices/virtio_gpu/display/headless_sink.h"

#include <cstddef>
#include <span>
#include <utility>

namespace nacre::virtio_gpu {
namespace {

// Takes over `damage` of `picture`; rows that the guest took away stay as they
// were.
void Update(const Picture& picture, const Rectangle& damage,
            HeadlessSink::Frame& frame) {
  if (frame.format != picture.format() || frame.width != picture.width() ||
      frame.height != picture.height()) {
    frame.format = picture.format();
    frame.width = picture.width();
    frame.height = picture.height();
    frame.pixels.assign(size_t{frame.width} * frame.height * kBytesPerPixel, 0);
  }
  for (uint32_t y = damage.y; y < damage.y + damage.height; ++y) {
    const size_t offset = (size_t{y} * frame.width + damage.x) * kBytesPerPixel;
    const std::span<uint8_t> row(frame.pixels.data() + offset,
                                 size_t{damage.width} * kBytesPerPixel);
    (void)picture.ReadRow(damage.x, y, row);
  }
}

}  // namespace

std::optional<HeadlessSink::Frame> HeadlessSink::frame(uint32_t scanout) const {
  MutexLock lock(mutex_);
  const auto it = frames_.find(scanout);
  if (it == frames_.end()) return std::nullopt;
  return it->second;
}

HeadlessSink::Cursor HeadlessSink::cursor(uint32_t scanout) const {
  MutexLock lock(mutex_);
  const auto it = cursors_.find(scanout);
  return it == cursors_.end() ? Cursor() : it->second;
}

uint64_t HeadlessSink::frames_presented() const {
  MutexLock lock(mutex_);
  return frames_presented_;
}

void HeadlessSink::Present(uint32_t scanout, const Picture& picture,
                           const Rectangle& damage) {
  MutexLock lock(mutex_);
  ++frames_presented_;
  if (keep_ == Keep::kFrames) Update(picture, damage, frames_[scanout]);
}

void HeadlessSink::Disable(uint32_t scanout) {
  MutexLock lock(mutex_);
  frames_.erase(scanout);
}

void HeadlessSink::SetCursor(uint32_t scanout, const Picture* picture,
                             uint32_t hot_x, uint32_t hot_y) {
  MutexLock lock(mutex_);
  Cursor& cursor = cursors_[scanout];
  cursor.hot_x = hot_x;
  cursor.hot_y = hot_y;
  cursor.frame.reset();
  if (picture == nullptr || keep_ == Keep::kCounts) return;
  Frame frame;
  Update(*picture, {0, 0, picture->width(), picture->height()}, frame);
  cursor.frame = std::move(frame);
}

void HeadlessSink::MoveCursor(uint32_t scanout, uint32_t x, uint32_t y) {
  MutexLock lock(mutex_);
  cursors_[scanout].x = x;
  cursors_[scanout].y = y;
}

}  // namespace nacre::virtio_gpu
