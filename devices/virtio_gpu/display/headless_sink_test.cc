#include "devices/virtio_gpu/display/headless_sink.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

// Pixel (x, y) is base + y * width + x; reading row `bad_row` fails.
class TestPicture : public Picture {
 public:
  TestPicture(uint32_t width, uint32_t height, uint32_t base,
              uint32_t bad_row = ~0u)
      : width_(width), height_(height), base_(base), bad_row_(bad_row) {}
  PixelFormat format() const override { return PixelFormat::kB8G8R8A8; }
  uint32_t width() const override { return width_; }
  uint32_t height() const override { return height_; }
  absl::Status ReadRow(uint32_t x, uint32_t y,
                       std::span<uint8_t> out) const override {
    if (y == bad_row_) return absl::OutOfRangeError("gone");
    for (size_t i = 0; i < out.size() / 4; ++i) {
      const uint32_t pixel = base_ + y * width_ + x + static_cast<uint32_t>(i);
      std::memcpy(&out[i * 4], &pixel, 4);
    }
    return absl::OkStatus();
  }

 private:
  const uint32_t width_;
  const uint32_t height_;
  const uint32_t base_;
  const uint32_t bad_row_;
};

std::vector<uint32_t> Pixels(const HeadlessSink::Frame& frame) {
  std::vector<uint32_t> pixels(frame.pixels.size() / 4);
  std::memcpy(pixels.data(), frame.pixels.data(), frame.pixels.size());
  return pixels;
}

using Row = std::vector<uint32_t>;

TEST(HeadlessSinkTest, KeepsTheDamagedPart) {
  HeadlessSink sink;
  EXPECT_FALSE(sink.frame(0).has_value());
  sink.Present(0, TestPicture(3, 2, 10), {0, 0, 3, 2});
  EXPECT_EQ(Pixels(*sink.frame(0)), Row({10, 11, 12, 13, 14, 15}));
  sink.Present(0, TestPicture(3, 2, 50), {1, 1, 2, 1});
  EXPECT_EQ(Pixels(*sink.frame(0)), Row({10, 11, 12, 13, 54, 55}));
  EXPECT_FALSE(sink.frame(1).has_value());
  EXPECT_EQ(sink.frames_presented(), 2u);
}

TEST(HeadlessSinkTest, FollowsAChangeOfSize) {
  HeadlessSink sink;
  sink.Present(0, TestPicture(3, 2, 10), {0, 0, 3, 2});
  sink.Present(0, TestPicture(1, 1, 7), {0, 0, 1, 1});
  EXPECT_EQ(Pixels(*sink.frame(0)), Row({7}));
  sink.Disable(0);
  EXPECT_FALSE(sink.frame(0).has_value());
}

TEST(HeadlessSinkTest, LeavesOutRowsThatAreGone) {
  HeadlessSink sink;
  sink.Present(0, TestPicture(2, 2, 10), {0, 0, 2, 2});
  sink.Present(0, TestPicture(2, 2, 50, /*bad_row=*/0), {0, 0, 2, 2});
  EXPECT_EQ(Pixels(*sink.frame(0)), Row({10, 11, 52, 53}));
}

TEST(HeadlessSinkTest, KeepsTheCursorApart) {
  HeadlessSink sink;
  const TestPicture picture(2, 1, 1);
  sink.SetCursor(1, &picture, 3, 4);
  sink.MoveCursor(1, 5, 6);
  const HeadlessSink::Cursor cursor = sink.cursor(1);
  EXPECT_EQ(Pixels(*cursor.frame), Row({1, 2}));
  EXPECT_EQ(cursor.hot_y, 4u);
  EXPECT_EQ(cursor.x, 5u);
  sink.SetCursor(1, nullptr, 0, 0);
  EXPECT_FALSE(sink.cursor(1).frame.has_value());
}

TEST(HeadlessSinkTest, MayCountOnly) {
  HeadlessSink sink(HeadlessSink::Keep::kCounts);
  const TestPicture picture(2, 1, 1);
  sink.Present(0, picture, {0, 0, 2, 1});
  sink.SetCursor(0, &picture, 0, 0);
  EXPECT_EQ(sink.frames_presented(), 1u);
  EXPECT_FALSE(sink.frame(0).has_value());
  EXPECT_FALSE(sink.cursor(0).frame.has_value());
}

}  // namespace
}  // namespace nacre::virtio_gpu
