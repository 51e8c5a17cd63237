// vkCmdBlitImage: scaling, mirroring, and from one kind of pixel to another.

#include <cmath>

#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

// A linear weight has eight bits in GPUs: what they make of it may be one
// number off the exact result.
constexpr int kLinearTolerance = 1;

constexpr Rgba8 kBackground = {90, 90, 100, 255};

void Blit(Gpu& gpu, const GpuImage& source, const Box& from,
          const GpuImage& target, const Box& to, VkFilter filter) {
  const VkImageBlit region = {
      .srcSubresource = source.Layer(),
      .srcOffsets = {{from.x0, from.y0, 0}, {from.x1, from.y1, 1}},
      .dstSubresource = target.Layer(),
      .dstOffsets = {{to.x0, to.y0, 0}, {to.x1, to.y1, 1}}};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdBlitImage(commands, source.get(), VK_IMAGE_LAYOUT_GENERAL,
                   target.get(), VK_IMAGE_LAYOUT_GENERAL, 1, &region, filter);
  });
}

struct Scaling {
  const char* name;
  Box from;
  uint32_t width;
  uint32_t height;
  Box to;
};

void CheckScaling(Suite& suite, Gpu& gpu, const Scaling& scaling,
                  VkFilter filter) {
  const Image scene = Scene(64, 48);
  const GpuImage source(gpu, scene);
  Image wanted = Solid(scaling.width, scaling.height, kBackground);
  const GpuImage target(gpu, wanted);
  Blit(gpu, source, scaling.from, target, scaling.to, filter);
  if (filter == VK_FILTER_NEAREST) {
    BlitNearest(scene, scaling.from, scaling.to, wanted);
    suite.Check(std::string(scaling.name) + "-nearest", target.Read(4), wanted);
  } else {
    BlitLinear(scene, scaling.from, scaling.to, wanted);
    suite.Check(std::string(scaling.name) + "-linear", target.Read(4), wanted,
                ShadeRgba8, kLinearTolerance);
  }
}

// None but the last has the centre of a pixel between two pixels of the source,
// where it is not certain which is the nearest.
void Scaled(Suite& suite, Gpu& gpu) {
  const Scaling scalings[] = {
      {"blit-offset", {5, 7, 42, 30}, 80, 60, {21, 13, 58, 36}},
      {"blit-up", {0, 0, 64, 48}, 144, 100, {5, 3, 133, 99}},
      {"blit-up-uneven", {10, 6, 41, 39}, 120, 80, {7, 4, 104, 75}},
      {"blit-down-uneven", {3, 1, 62, 46}, 48, 32, {4, 2, 41, 31}},
      {"blit-mirror-x", {0, 0, 64, 48}, 64, 48, {64, 0, 0, 48}},
      {"blit-mirror-y", {0, 48, 64, 0}, 64, 48, {0, 0, 64, 48}},
      {"blit-mirror-both-up", {59, 4, 8, 40}, 120, 90, {6, 85, 113, 5}},
  };
  for (const Scaling& scaling : scalings) {
    CheckScaling(suite, gpu, scaling, VK_FILTER_NEAREST);
    CheckScaling(suite, gpu, scaling, VK_FILTER_LINEAR);
  }
  CheckScaling(suite, gpu,
               {"blit-half", {0, 0, 64, 48}, 40, 30, {2, 4, 34, 28}},
               VK_FILTER_LINEAR);
}

// Pixels of `from` become those of `to` as `convert` says.
template <typename From, typename To>
void CheckPair(Suite& suite, Gpu& gpu, const char* name, VkFormat from_format,
               VkFormat to_format, const Image& picture, Shade shade,
               To (*convert)(const From&)) {
  const uint32_t width = picture.width();
  const uint32_t height = picture.height();
  const GpuImage source(gpu, picture, from_format);
  const GpuImage target(
      gpu, {.format = to_format, .width = width, .height = height});
  const Box all = {0, 0, static_cast<int32_t>(width),
                   static_cast<int32_t>(height)};
  Blit(gpu, source, all, target, all, VK_FILTER_NEAREST);
  Image wanted(width, height, sizeof(To));
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      From pixel;
      std::memcpy(&pixel, picture.at(x, y), sizeof(pixel));
      wanted.Set(x, y, convert(pixel));
    }
  }
  suite.Check(name, target.Read(sizeof(To)), wanted, shade);
}

// A number of 0..from, as one of 0..to.
uint32_t Rescale(uint32_t value, uint32_t from, uint32_t to) {
  return static_cast<uint32_t>(
      std::floor(static_cast<double>(value) * to / from + 0.5));
}

uint8_t ToSrgb(uint8_t linear) {
  const double value = linear / 255.0;
  const double encoded = value <= 0.0031308
                             ? 12.92 * value
                             : 1.055 * std::pow(value, 1 / 2.4) - 0.055;
  return static_cast<uint8_t>(std::floor(encoded * 255 + 0.5));
}

uint8_t FromSrgb(uint8_t encoded) {
  const double value = encoded / 255.0;
  const double linear =
      value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  return static_cast<uint8_t>(std::floor(linear * 255 + 0.5));
}

void Pairs(Suite& suite, Gpu& gpu) {
  const Image scene = Scene(64, 48);
  using Floats = std::array<float, 4>;
  CheckPair<Rgba8, Rgba8>(
      suite, gpu, "blit-rgba8-to-bgra8", VK_FORMAT_R8G8B8A8_UNORM,
      VK_FORMAT_B8G8R8A8_UNORM, scene, ShadeBgra8, [](const Rgba8& pixel) {
        return Rgba8{pixel[2], pixel[1], pixel[0], pixel[3]};
      });
  CheckPair<Rgba8, uint16_t>(
      suite, gpu, "blit-rgba8-to-r5g6b5", VK_FORMAT_R8G8B8A8_UNORM,
      VK_FORMAT_R5G6B5_UNORM_PACK16, scene, ShadeR5G6B5,
      [](const Rgba8& pixel) {
        return static_cast<uint16_t>(Rescale(pixel[0], 255, 31) << 11 |
                                     Rescale(pixel[1], 255, 63) << 5 |
                                     Rescale(pixel[2], 255, 31));
      });
  CheckPair<uint16_t, Rgba8>(
      suite, gpu, "blit-r5g6b5-to-rgba8", VK_FORMAT_R5G6B5_UNORM_PACK16,
      VK_FORMAT_R8G8B8A8_UNORM, Weave(64, 48, 2, 21), ShadeRgba8,
      [](const uint16_t& bits) {
        return Rgba8{static_cast<uint8_t>(Rescale(bits >> 11, 31, 255)),
                     static_cast<uint8_t>(Rescale(bits >> 5 & 63, 63, 255)),
                     static_cast<uint8_t>(Rescale(bits & 31, 31, 255)), 255};
      });
  CheckPair<Rgba8, uint32_t>(suite, gpu, "blit-rgba8-to-a2b10g10r10",
                             VK_FORMAT_R8G8B8A8_UNORM,
                             VK_FORMAT_A2B10G10R10_UNORM_PACK32, scene,
                             ShadeA2B10G10R10, [](const Rgba8& pixel) {
                               return Rescale(pixel[0], 255, 1023) |
                                      Rescale(pixel[1], 255, 1023) << 10 |
                                      Rescale(pixel[2], 255, 1023) << 20 |
                                      Rescale(pixel[3], 255, 3) << 30;
                             });
  CheckPair<Rgba8, Rgba8>(suite, gpu, "blit-rgba8-to-srgb",
                          VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8G8B8A8_SRGB,
                          scene, ShadeRgba8, [](const Rgba8& pixel) {
                            return Rgba8{ToSrgb(pixel[0]), ToSrgb(pixel[1]),
                                         ToSrgb(pixel[2]), pixel[3]};
                          });
  CheckPair<Rgba8, Rgba8>(suite, gpu, "blit-srgb-to-rgba8",
                          VK_FORMAT_R8G8B8A8_SRGB, VK_FORMAT_R8G8B8A8_UNORM,
                          scene, ShadeRgba8, [](const Rgba8& pixel) {
                            return Rgba8{FromSrgb(pixel[0]), FromSrgb(pixel[1]),
                                         FromSrgb(pixel[2]), pixel[3]};
                          });
  CheckPair<Rgba8, uint8_t>(suite, gpu, "blit-rgba8-to-r8",
                            VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8_UNORM, scene,
                            ShadeR8,
                            [](const Rgba8& pixel) { return pixel[0]; });
  CheckPair<uint8_t, Rgba8>(suite, gpu, "blit-r8-to-rgba8", VK_FORMAT_R8_UNORM,
                            VK_FORMAT_R8G8B8A8_UNORM, Weave(64, 48, 1, 22),
                            ShadeRgba8, [](const uint8_t& red) {
                              return Rgba8{red, 0, 0, 255};
                            });
  CheckPair<Rgba8, Floats>(suite, gpu, "blit-rgba8-to-rgba32-float",
                           VK_FORMAT_R8G8B8A8_UNORM,
                           VK_FORMAT_R32G32B32A32_SFLOAT, scene, ShadeRgba32f,
                           [](const Rgba8& pixel) {
                             Floats floats;
                             for (size_t i = 0; i < 4; ++i) {
                               floats[i] = static_cast<float>(pixel[i]) / 255;
                             }
                             return floats;
                           });
  CheckPair<std::array<uint8_t, 4>, std::array<uint32_t, 4>>(
      suite, gpu, "blit-rgba8-uint-to-rgba32-uint", VK_FORMAT_R8G8B8A8_UINT,
      VK_FORMAT_R32G32B32A32_UINT, scene, ShadeRgba32, [](const Rgba8& pixel) {
        return std::array<uint32_t, 4>{pixel[0], pixel[1], pixel[2], pixel[3]};
      });
}

// Halves, which copies to buffers cannot read without a draw, through a blit.
void Halves(Suite& suite, Gpu& gpu) {
  const GpuImage halves(
      gpu,
      {.format = VK_FORMAT_R16G16B16A16_SFLOAT, .width = 40, .height = 30});
  const GpuImage floats(
      gpu,
      {.format = VK_FORMAT_R32G32B32A32_SFLOAT, .width = 40, .height = 30});
  const VkClearColorValue value = {.float32 = {0.5f, 0.25f, 0.75f, -6}};
  const VkImageSubresourceRange all = halves.All();
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdClearColorImage(commands, halves.get(), VK_IMAGE_LAYOUT_GENERAL,
                         &value, 1, &all);
  });
  Blit(gpu, halves, {0, 0, 40, 30}, floats, {0, 0, 40, 30}, VK_FILTER_NEAREST);
  suite.Check("blit-rgba16-float-to-rgba32-float", floats.Read(16),
              Solid(40, 30, std::array<float, 4>{0.5f, 0.25f, 0.75f, -6}),
              ShadeRgba32f);
}

}  // namespace

void CheckVulkanBlits(Suite& suite, Gpu& gpu) {
  Scaled(suite, gpu);
  Pairs(suite, gpu);
  Halves(suite, gpu);
}

}  // namespace nacre::guest
