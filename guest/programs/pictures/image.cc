#include "guest/programs/pictures/image.h"

#include <algorithm>
#include <cmath>

namespace nacre::guest {
namespace {

// Where the centre of pixel `i` of a blit's target is in its source.
double Centre(int32_t i, int32_t from0, int32_t from1, int32_t to0,
              int32_t to1) {
  return from0 + (i + 0.5 - to0) * (from1 - from0) / (to1 - to0);
}

// The two pixels around a point, and how much of the second it gets.
struct Between {
  Between(double point, uint32_t size) {
    const double below = std::floor(point - 0.5);
    weight = point - 0.5 - below;
    const double last = size - 1.0;
    first = static_cast<uint32_t>(std::clamp(below, 0.0, last));
    second = static_cast<uint32_t>(std::clamp(below + 1, 0.0, last));
  }
  uint32_t first;
  uint32_t second;
  double weight;
};

// Calls set(x, y, u, v) for each pixel of the target, (u, v) its centre in the
// source.
template <typename Setter>
void ForEachPixel(const Box& from, const Box& to, Setter set) {
  for (int32_t y = std::min(to.y0, to.y1); y < std::max(to.y0, to.y1); ++y) {
    for (int32_t x = std::min(to.x0, to.x1); x < std::max(to.x0, to.x1); ++x) {
      set(static_cast<uint32_t>(x), static_cast<uint32_t>(y),
          Centre(x, from.x0, from.x1, to.x0, to.x1),
          Centre(y, from.y0, from.y1, to.y0, to.y1));
    }
  }
}

}  // namespace

void Image::Copy(const Image& source, const Rect& from, uint32_t x,
                 uint32_t y) {
  for (uint32_t row = 0; row < from.height; ++row) {
    std::memcpy(at(x, y + row), source.at(from.x, from.y + row),
                bytes_per_pixel_ * from.width);
  }
}

void Image::Copy(const Image& source, uint32_t x, uint32_t y) {
  Copy(source, {0, 0, source.width(), source.height()}, x, y);
}

Image Scene(uint32_t width, uint32_t height) {
  Image image(width, height, 4);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      const uint8_t red = static_cast<uint8_t>(255 * x / width);
      const uint8_t green = static_cast<uint8_t>(255 * y / height);
      const uint8_t blue = static_cast<uint8_t>(200 - red / 2);
      image.Set(x, y, Rgba8{red, green, blue, 255});
    }
  }
  const uint32_t unit = height / 8;
  const Rgba8 dark = {20, 20, 60, 200};
  image.Fill({2 * unit, unit, unit, 6 * unit}, dark);
  image.Fill({2 * unit, unit, 4 * unit, unit}, dark);
  image.Fill({2 * unit, 3 * unit, 3 * unit, unit}, dark);
  for (uint32_t i = 0; i < std::min(width, height); i += 3) {
    image.Set(width - 1 - i, i, Rgba8{255, 240, 10, 255});
  }
  return image;
}

Image Weave(uint32_t width, uint32_t height, size_t bytes_per_pixel,
            uint32_t seed) {
  Image image(width, height, bytes_per_pixel);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      for (uint32_t i = 0; i < bytes_per_pixel; ++i) {
        image.at(x, y)[i] = static_cast<uint8_t>(((x + seed) ^ (3 * y)) * 5 +
                                                 i * 67 + seed * 29);
      }
    }
  }
  return image;
}

Image Stack(const std::vector<Image>& images) {
  uint32_t width = 0;
  uint32_t height = 0;
  for (const Image& image : images) {
    width = std::max(width, image.width());
    height += image.height();
  }
  Image all(width, height, images.front().bytes_per_pixel());
  uint32_t y = 0;
  for (const Image& image : images) {
    all.Copy(image, 0, y);
    y += image.height();
  }
  return all;
}

void BlitNearest(const Image& source, const Box& from, const Box& to,
                 Image& target) {
  ForEachPixel(from, to, [&](uint32_t x, uint32_t y, double u, double v) {
    std::memcpy(target.at(x, y),
                source.at(static_cast<uint32_t>(std::floor(u)),
                          static_cast<uint32_t>(std::floor(v))),
                source.bytes_per_pixel());
  });
}

void BlitLinear(const Image& source, const Box& from, const Box& to,
                Image& target) {
  ForEachPixel(from, to, [&](uint32_t x, uint32_t y, double u, double v) {
    const Between across(u, source.width());
    const Between down(v, source.height());
    for (size_t i = 0; i < source.bytes_per_pixel(); ++i) {
      const auto row = [&](uint32_t y_of_row) {
        return source.at(across.first, y_of_row)[i] * (1 - across.weight) +
               source.at(across.second, y_of_row)[i] * across.weight;
      };
      const double value =
          row(down.first) * (1 - down.weight) + row(down.second) * down.weight;
      target.at(x, y)[i] = static_cast<uint8_t>(std::floor(value + 0.5));
    }
  });
}

Image Halved(const Image& source) {
  Image half(source.width() / 2, source.height() / 2, source.bytes_per_pixel());
  for (uint32_t y = 0; y < half.height(); ++y) {
    for (uint32_t x = 0; x < half.width(); ++x) {
      for (size_t i = 0; i < source.bytes_per_pixel(); ++i) {
        const int sum =
            source.at(2 * x, 2 * y)[i] + source.at(2 * x + 1, 2 * y)[i] +
            source.at(2 * x, 2 * y + 1)[i] + source.at(2 * x + 1, 2 * y + 1)[i];
        half.at(x, y)[i] = static_cast<uint8_t>((sum + 2) / 4);
      }
    }
  }
  return half;
}

}  // namespace nacre::guest
