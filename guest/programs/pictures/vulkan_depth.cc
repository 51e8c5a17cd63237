// vkCmdClearDepthStencilImage, both aspects and one of them.

#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

constexpr uint32_t kWidth = 47;
constexpr uint32_t kHeight = 29;
constexpr VkImageAspectFlags kDepth = VK_IMAGE_ASPECT_DEPTH_BIT;
constexpr VkImageAspectFlags kStencil = VK_IMAGE_ASPECT_STENCIL_BIT;

void Clear(Gpu& gpu, const GpuImage& image, VkImageAspectFlags aspects,
           const VkClearDepthStencilValue& value) {
  VkImageSubresourceRange range = image.All();
  range.aspectMask = aspects;
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdClearDepthStencilImage(commands, image.get(), VK_IMAGE_LAYOUT_GENERAL,
                                &value, 1, &range);
  });
}

// One aspect; of D24 the highest byte of what is read means nothing.
template <typename Pixel>
void CheckAspect(Suite& suite, const std::string& name, const GpuImage& image,
                 VkImageAspectFlags aspect, const Pixel& pixel, Shade shade) {
  Image found = image.Read(sizeof(Pixel), 0, 0, aspect);
  if (shade == ShadeX8D24) {
    for (size_t i = 3; i < found.bytes().size(); i += 4) found.bytes()[i] = 0;
  }
  suite.Check(name, found, Solid(kWidth, kHeight, pixel), shade);
}

GpuImage MakeImage(Gpu& gpu, VkFormat format) {
  return GpuImage(gpu, {.format = format, .width = kWidth, .height = kHeight});
}

void OneAspect(Suite& suite, Gpu& gpu) {
  const GpuImage depth16 = MakeImage(gpu, VK_FORMAT_D16_UNORM);
  Clear(gpu, depth16, kDepth, {0.75f, 0});
  CheckAspect(suite, "clear-d16", depth16, kDepth, uint16_t{49151}, ShadeR16);
  const GpuImage depth32 = MakeImage(gpu, VK_FORMAT_D32_SFLOAT);
  Clear(gpu, depth32, kDepth, {0.3f, 0});
  CheckAspect(suite, "clear-d32", depth32, kDepth, 0.3f, ShadeR32f);
  const GpuImage stencil = MakeImage(gpu, VK_FORMAT_S8_UINT);
  Clear(gpu, stencil, kStencil, {0, 0xa5});
  CheckAspect(suite, "clear-s8", stencil, kStencil, uint8_t{0xa5}, ShadeR8);
}

// Both; then one alone, which the other survives. `depth_of` is the pixel of a
// depth.
template <typename DepthOf>
void TwoAspects(Suite& suite, Gpu& gpu, const std::string& name,
                VkFormat format, Shade shade, DepthOf depth_of) {
  const GpuImage image = MakeImage(gpu, format);
  const auto check = [&](const std::string& what, float depth,
                         uint8_t stencil) {
    CheckAspect(suite, name + what + "-depth", image, kDepth, depth_of(depth),
                shade);
    CheckAspect(suite, name + what + "-stencil", image, kStencil, stencil,
                ShadeR8);
  };
  Clear(gpu, image, kDepth | kStencil, {0.25f, 200});
  check("-both", 0.25f, 200);
  Clear(gpu, image, kDepth, {0.75f, 1});
  check("-depth-alone", 0.75f, 200);
  Clear(gpu, image, kStencil, {0.1f, 90});
  check("-stencil-alone", 0.75f, 90);
}

}  // namespace

void CheckVulkanDepth(Suite& suite, Gpu& gpu) {
  OneAspect(suite, gpu);
  // 0.25 * (2^24 - 1) is 4194303.75, 0.75 of it 12582911.25.
  TwoAspects(suite, gpu, "clear-d24s8", VK_FORMAT_D24_UNORM_S8_UINT, ShadeX8D24,
             [](float depth) {
               return depth == 0.25f ? uint32_t{4194304} : uint32_t{12582911};
             });
  TwoAspects(suite, gpu, "clear-d32s8", VK_FORMAT_D32_SFLOAT_S8_UINT, ShadeR32f,
             [](float depth) { return depth; });
}

}  // namespace nacre::guest
