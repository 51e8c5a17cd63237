#include "simulator/surface.h"

#include <cstring>

namespace nacre::simulator {
namespace {

void Average(std::span<const Pixel> samples, Pixel& pixel) {
  for (size_t channel = 0; channel < pixel.size(); ++channel) {
    // Exact for all but 32-bit floats, hence independent of the order.
    double sum = 0;
    for (const Pixel& sample : samples) sum += AsFloat(sample[channel]);
    pixel[channel] =
        AsBits(static_cast<float>(sum / static_cast<double>(samples.size())));
  }
}

}  // namespace

void PixelReader::Read(uint32_t x, uint32_t y, std::span<Pixel> pixels) {
  const size_t bytes = surface_.layout.format->bytes;
  const size_t samples = surface_.samples;
  stored_.resize(pixels.size() * bytes * samples);
  memory_.Read(surface_.AddressOf(x, y), stored_);
  if (samples == 1) {
    Unpack(surface_.layout, stored_.data(), pixels);
    return;
  }
  if (!average_) {
    for (size_t i = 0; i < pixels.size(); ++i) {
      std::memmove(stored_.data() + i * bytes,
                   stored_.data() + i * bytes * samples, bytes);
    }
    Unpack(surface_.layout, stored_.data(), pixels);
    return;
  }
  samples_.resize(pixels.size() * samples);
  Unpack(surface_.layout, stored_.data(), samples_);
  for (size_t i = 0; i < pixels.size(); ++i) {
    Average(std::span(samples_).subspan(i * samples, samples), pixels[i]);
  }
}

}  // namespace nacre::simulator
