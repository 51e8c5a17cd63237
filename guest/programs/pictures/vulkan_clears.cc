// vkCmdClearColorImage: kinds of pixels, levels, layers and slices.

#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

constexpr Rgba8 kTeal = {12, 130, 140, 255};
constexpr Rgba8 kOrange = {250, 140, 20, 200};

void Clear(Gpu& gpu, const GpuImage& image, const VkClearColorValue& value,
           const std::vector<VkImageSubresourceRange>& ranges) {
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdClearColorImage(commands, image.get(), VK_IMAGE_LAYOUT_GENERAL, &value,
                         static_cast<uint32_t>(ranges.size()), ranges.data());
  });
}

template <typename Pixel>
void Kind(Suite& suite, Gpu& gpu, const char* name, VkFormat format,
          const VkClearColorValue& value, const Pixel& pixel, Shade shade) {
  const GpuImage image(gpu, {.format = format, .width = 53, .height = 31});
  Clear(gpu, image, value, {image.All()});
  suite.Check(name, image.Read(sizeof(Pixel)), Solid(53, 31, pixel), shade);
}

void Norms(Suite& suite, Gpu& gpu) {
  const VkClearColorValue teal = ClearColor(kTeal);
  Kind(suite, gpu, "clear-rgba8", VK_FORMAT_R8G8B8A8_UNORM, teal, kTeal,
       ShadeRgba8);
  Kind(suite, gpu, "clear-bgra8", VK_FORMAT_B8G8R8A8_UNORM, teal,
       Rgba8{140, 130, 12, 255}, ShadeBgra8);
  Kind(suite, gpu, "clear-r8", VK_FORMAT_R8_UNORM, teal, uint8_t{12}, ShadeR8);
  Kind(suite, gpu, "clear-rg8", VK_FORMAT_R8G8_UNORM, teal,
       std::array<uint8_t, 2>{12, 130}, ShadeRg8);
  // sRGB of linear 0.25 is 0.5371, of 0.5 is 0.7354, of 0.0025 is 0.0323.
  Kind(suite, gpu, "clear-rgba8-srgb", VK_FORMAT_R8G8B8A8_SRGB,
       {.float32 = {0.25f, 0.5f, 0.0025f, 0.4f}}, Rgba8{137, 188, 8, 102},
       ShadeRgba8);
  Kind(suite, gpu, "clear-rgba8-snorm", VK_FORMAT_R8G8B8A8_SNORM,
       {.float32 = {-1, 1, 64.f / 127, -32.f / 127}},
       std::array<int8_t, 4>{-127, 127, 64, -32}, ShadeRgba8);
  Kind(suite, gpu, "clear-r5g6b5", VK_FORMAT_R5G6B5_UNORM_PACK16,
       {.float32 = {30.f / 31, 17.f / 63, 5.f / 31, 1}},
       static_cast<uint16_t>(30 << 11 | 17 << 5 | 5), ShadeR5G6B5);
  Kind(suite, gpu, "clear-a2b10g10r10", VK_FORMAT_A2B10G10R10_UNORM_PACK32,
       {.float32 = {1000.f / 1023, 517.f / 1023, 3.f / 1023, 1.f / 3}},
       uint32_t{1000 | 517 << 10 | 3 << 20 | 1 << 30}, ShadeA2B10G10R10);
  // With the exponent that they share: 128, 256 and 384 of 512.
  Kind(suite, gpu, "clear-e5b9g9r9", VK_FORMAT_E5B9G9R9_UFLOAT_PACK32,
       {.float32 = {0.25f, 0.5f, 0.75f, 1}},
       uint32_t{128 | 256 << 9 | 384 << 18 | 15u << 27}, ShadeRgba8);
}

void Numbers(Suite& suite, Gpu& gpu) {
  Kind(suite, gpu, "clear-rgba8-uint", VK_FORMAT_R8G8B8A8_UINT,
       {.uint32 = {200, 0, 255, 77}}, Rgba8{200, 0, 255, 77}, ShadeRgba8);
  Kind(suite, gpu, "clear-rgba8-sint", VK_FORMAT_R8G8B8A8_SINT,
       {.int32 = {-128, 127, -1, 5}}, std::array<int8_t, 4>{-128, 127, -1, 5},
       ShadeRgba8);
  Kind(suite, gpu, "clear-rgba16", VK_FORMAT_R16G16B16A16_UNORM,
       {.float32 = {1, 77.f / 65535, 1234.f / 65535, 40000.f / 65535}},
       std::array<uint16_t, 4>{65535, 77, 1234, 40000}, ShadeRgba16);
  Kind(suite, gpu, "clear-rgba16-sint", VK_FORMAT_R16G16B16A16_SINT,
       {.int32 = {-32768, 32767, -2, 9}},
       std::array<int16_t, 4>{-32768, 32767, -2, 9}, ShadeRgba16);
  Kind(suite, gpu, "clear-rgba32-uint", VK_FORMAT_R32G32B32A32_UINT,
       {.uint32 = {0xffffffff, 0x80000000, 0x12345678, 7}},
       std::array<uint32_t, 4>{0xffffffff, 0x80000000, 0x12345678, 7},
       ShadeRgba32);
  Kind(suite, gpu, "clear-r32-sint", VK_FORMAT_R32_SINT,
       {.int32 = {-1234567890, 0, 0, 0}}, int32_t{-1234567890}, ShadeR32);
  Kind(suite, gpu, "clear-rgba32-float", VK_FORMAT_R32G32B32A32_SFLOAT,
       {.float32 = {0.1f, 0.9f, -3.5e20f, 0.75f}},
       std::array<float, 4>{0.1f, 0.9f, -3.5e20f, 0.75f}, ShadeRgba32f);
}

// Two ranges: some levels of some layers.
void Ranges(Suite& suite, Gpu& gpu) {
  const GpuImage image(gpu,
                       {.width = 64, .height = 32, .layers = 3, .levels = 4});
  ClearImage(gpu, image, kTeal);
  Clear(gpu, image, ClearColor(kOrange),
        {image.Range(0, 1, 1, 1), image.Range(2, 2, 0, 2)});
  std::vector<Image> found;
  std::vector<Image> wanted;
  for (uint32_t layer = 0; layer < 3; ++layer) {
    for (uint32_t level = 0; level < 4; ++level) {
      const bool in_range =
          (level == 0 && layer == 1) || (level >= 2 && layer < 2);
      found.push_back(image.Read(4, level, layer));
      wanted.push_back(
          Solid(64 >> level, 32 >> level, in_range ? kOrange : kTeal));
    }
  }
  suite.Check("clear-ranges", Stack(found), Stack(wanted));
}

void Slices(Suite& suite, Gpu& gpu) {
  const GpuImage image(gpu,
                       {.width = 40, .height = 18, .depth = 4, .levels = 2});
  ClearImage(gpu, image, kTeal);
  Clear(gpu, image, ClearColor(kOrange), {image.Range(1, 1, 0, 1)});
  suite.Check("clear-slices",
              Stack({image.Read(4, 0, 0), image.Read(4, 0, 3),
                     image.Read(4, 1, 0), image.Read(4, 1, 1)}),
              Stack({Solid(40, 18, kTeal), Solid(40, 18, kTeal),
                     Solid(20, 9, kOrange), Solid(20, 9, kOrange)}));
}

}  // namespace

void CheckVulkanClears(Suite& suite, Gpu& gpu) {
  Norms(suite, gpu);
  Numbers(suite, gpu);
  Ranges(suite, gpu);
  Slices(suite, gpu);
}

}  // namespace nacre::guest
