// Pictures in the CPU's memory, and what blits make of them, in plain code that
// shares nothing with the drivers and the GPU that it judges.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_IMAGE_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_IMAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace nacre::guest {

using Rgba8 = std::array<uint8_t, 4>;

struct Rect {
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
};

// Rows of pixels without gaps, row 0 first. What a pixel's bytes mean is known
// to whoever made it.
class Image {
 public:
  Image(uint32_t width, uint32_t height, size_t bytes_per_pixel)
      : width_(width),
        height_(height),
        bytes_per_pixel_(bytes_per_pixel),
        bytes_(bytes_per_pixel * width * height) {}

  uint32_t width() const { return width_; }
  uint32_t height() const { return height_; }
  size_t bytes_per_pixel() const { return bytes_per_pixel_; }
  std::vector<uint8_t>& bytes() { return bytes_; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

  uint8_t* at(uint32_t x, uint32_t y) {
    return &bytes_[(size_t{y} * width_ + x) * bytes_per_pixel_];
  }
  const uint8_t* at(uint32_t x, uint32_t y) const {
    return &bytes_[(size_t{y} * width_ + x) * bytes_per_pixel_];
  }

  // `Pixel` is an array or a number of bytes_per_pixel() bytes.
  template <typename Pixel>
  void Set(uint32_t x, uint32_t y, const Pixel& pixel) {
    std::memcpy(at(x, y), &pixel, sizeof(pixel));
  }
  template <typename Pixel>
  void Fill(const Rect& rect, const Pixel& pixel) {
    for (uint32_t y = rect.y; y < rect.y + rect.height; ++y) {
      for (uint32_t x = rect.x; x < rect.x + rect.width; ++x) Set(x, y, pixel);
    }
  }

  // Copies the rectangle `from` of another image of such pixels to (x, y).
  void Copy(const Image& source, const Rect& from, uint32_t x, uint32_t y);
  // All of it.
  void Copy(const Image& source, uint32_t x, uint32_t y);

 private:
  uint32_t width_;
  uint32_t height_;
  size_t bytes_per_pixel_;
  std::vector<uint8_t> bytes_;
};

template <typename Pixel>
Image Solid(uint32_t width, uint32_t height, const Pixel& pixel) {
  Image image(width, height, sizeof(pixel));
  image.Fill({0, 0, width, height}, pixel);
  return image;
}

// A scene that tells left from right and up from down: two gradients, a dark F,
// and single bright pixels along one diagonal. RGBA8.
Image Scene(uint32_t width, uint32_t height);
// Bytes that are never the same next to each other, nor in pictures of another
// seed.
Image Weave(uint32_t width, uint32_t height, size_t bytes_per_pixel,
            uint32_t seed);

// The pictures one below the other, left aligned, on zeroes.
Image Stack(const std::vector<Image>& images);

// Edges of a rectangle; the second ones may be the smaller ones, which mirrors.
struct Box {
  int32_t x0 = 0;
  int32_t y0 = 0;
  int32_t x1 = 0;
  int32_t y1 = 0;
};

// What a blit of `from` to the box `to` leaves in `target`, of the same kind of
// pixels: the pixel whose area the centre falls in.
void BlitNearest(const Image& source, const Box& from, const Box& to,
                 Image& target);
// The same between the four nearest pixels, for pixels of bytes that are
// numbers; beyond the source's edge the pixel at the edge counts.
void BlitLinear(const Image& source, const Box& from, const Box& to,
                Image& target);
// Byte by byte the average of 2x2 pixels, halves rounded up. The size is even.
Image Halved(const Image& source);

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_IMAGE_H_
