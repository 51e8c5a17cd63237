// Render passes that clear what they load, in memory (one sample) and in GMEM
// (several), and resolves of what they cleared.

#include "guest/programs/pictures/render_pass.h"
#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

constexpr Rgba8 kTeal = {12, 130, 140, 255};
constexpr Rgba8 kOrange = {250, 140, 20, 200};
constexpr Rgba8 kViolet = {120, 40, 170, 255};
constexpr VkImageUsageFlags kColorUsage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
constexpr VkImageUsageFlags kDepthUsage =
    VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT;

PassAttachment Cleared(const GpuImage& image, const Rgba8& color) {
  return {.image = &image,
          .load = VK_ATTACHMENT_LOAD_OP_CLEAR,
          .clear = {.color = ClearColor(color)}};
}

VkRect2D Area(const Rect& rect) {
  return {
      .offset = {static_cast<int32_t>(rect.x), static_cast<int32_t>(rect.y)},
      .extent = {rect.width, rect.height}};
}

// Only the render area is cleared.
void ClearArea(Suite& suite, Gpu& gpu, const char* name, const Rect& area) {
  Image wanted = Scene(64, 48);
  const GpuImage image(gpu, wanted, VK_FORMAT_R8G8B8A8_UNORM, kColorUsage);
  RunPass(gpu, {.colors = {Cleared(image, kOrange)}, .area = Area(area)});
  wanted.Fill(area, kOrange);
  suite.Check(name, image.Read(4), wanted);
}

// One layer of a level; several layers at once.
void ClearLayers(Suite& suite, Gpu& gpu) {
  const GpuImage image(gpu, {.width = 64,
                             .height = 48,
                             .layers = 4,
                             .levels = 2,
                             .usage = kColorUsage});
  ClearImage(gpu, image, kTeal);
  PassAttachment attachment = Cleared(image, kOrange);
  attachment.level = 1;
  attachment.layer = 2;
  RunPass(gpu, {.colors = {attachment}, .area = Area({3, 2, 20, 11})});
  attachment = Cleared(image, kViolet);
  attachment.layer = 1;
  RunPass(gpu,
          {.colors = {attachment}, .area = Area({0, 0, 64, 48}), .layers = 2});
  Image part = Solid(32, 24, kTeal);
  part.Fill({3, 2, 20, 11}, kOrange);
  suite.Check(
      "pass-layers",
      Stack({image.Read(4, 0, 0), image.Read(4, 0, 1), image.Read(4, 0, 2),
             image.Read(4, 0, 3), image.Read(4, 1, 1), image.Read(4, 1, 2)}),
      Stack({Solid(64, 48, kTeal), Solid(64, 48, kViolet),
             Solid(64, 48, kViolet), Solid(64, 48, kTeal), Solid(32, 24, kTeal),
             part}));
}

// What is loaded and stored without a draw stays.
void LoadAndStore(Suite& suite, Gpu& gpu) {
  const Image scene = Scene(64, 48);
  const GpuImage kept(gpu, scene, VK_FORMAT_R8G8B8A8_UNORM, kColorUsage);
  const GpuImage cleared(gpu, scene, VK_FORMAT_R8G8B8A8_UNORM, kColorUsage);
  RunPass(gpu, {.colors = {{.image = &kept, .load = VK_ATTACHMENT_LOAD_OP_LOAD},
                           Cleared(cleared, kTeal)},
                .area = Area({0, 0, 64, 48})});
  suite.Check("pass-load-and-store", Stack({kept.Read(4), cleared.Read(4)}),
              Stack({scene, Solid(64, 48, kTeal)}));
}

void ClearDepth(Suite& suite, Gpu& gpu) {
  const GpuImage color(gpu, {.width = 50, .height = 40, .usage = kColorUsage});
  const GpuImage depth(gpu, {.format = VK_FORMAT_D32_SFLOAT_S8_UINT,
                             .width = 50,
                             .height = 40,
                             .usage = kDepthUsage});
  RunPass(gpu, {.colors = {Cleared(color, kViolet)},
                .depth = {{.image = &depth,
                           .load = VK_ATTACHMENT_LOAD_OP_CLEAR,
                           .clear = {.depthStencil = {0.625f, 33}}}},
                .area = Area({0, 0, 50, 40})});
  suite.Check("pass-depth-color", color.Read(4), Solid(50, 40, kViolet));
  suite.Check("pass-depth-depth",
              depth.Read(4, 0, 0, VK_IMAGE_ASPECT_DEPTH_BIT),
              Solid(50, 40, 0.625f), ShadeR32f);
  suite.Check("pass-depth-stencil",
              depth.Read(1, 0, 0, VK_IMAGE_ASPECT_STENCIL_BIT),
              Solid(50, 40, uint8_t{33}), ShadeR8);
}

// Four samples, cleared and resolved at the end of the pass; then with
// rectangles of other colors within.
template <typename Pixel>
void Resolve(Suite& suite, Gpu& gpu, const char* name, VkFormat format,
             VkSampleCountFlagBits samples, const VkClearColorValue& value,
             const Pixel& pixel, const VkClearColorValue& other_value,
             const Pixel& other, Shade shade) {
  const GpuImage many(gpu, {.format = format,
                            .width = 80,
                            .height = 56,
                            .samples = samples,
                            .usage = kColorUsage});
  const GpuImage one(
      gpu, {.format = format, .width = 80, .height = 56, .usage = kColorUsage});
  const Rect rects[] = {{16, 8, 33, 21}, {60, 40, 20, 16}};
  RunPass(gpu,
          {.colors = {{.image = &many,
                       .load = VK_ATTACHMENT_LOAD_OP_CLEAR,
                       .store = VK_ATTACHMENT_STORE_OP_DONT_CARE,
                       .clear = {.color = value}}},
           .resolves = {{.image = &one}},
           .area = Area({0, 0, 80, 56})},
          [&](VkCommandBuffer commands) {
            const VkClearAttachment clear = {
                .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
                .colorAttachment = 0,
                .clearValue = {.color = other_value}};
            for (const Rect& rect : rects) {
              const VkClearRect area = {
                  .rect = Area(rect), .baseArrayLayer = 0, .layerCount = 1};
              vkCmdClearAttachments(commands, 1, &clear, 1, &area);
            }
          });
  Image wanted = Solid(80, 56, pixel);
  for (const Rect& rect : rects) wanted.Fill(rect, other);
  suite.Check(name, one.Read(sizeof(Pixel)), wanted, shade);
}

void Resolves(Suite& suite, Gpu& gpu) {
  Resolve(suite, gpu, "resolve-rgba8-4", VK_FORMAT_R8G8B8A8_UNORM,
          VK_SAMPLE_COUNT_4_BIT, ClearColor(kTeal), kTeal, ClearColor(kOrange),
          kOrange, ShadeRgba8);
  Resolve(suite, gpu, "resolve-rgba8-2", VK_FORMAT_R8G8B8A8_UNORM,
          VK_SAMPLE_COUNT_2_BIT, ClearColor(kViolet), kViolet,
          ClearColor(kOrange), kOrange, ShadeRgba8);
  Resolve(suite, gpu, "resolve-rgba8-uint-4", VK_FORMAT_R8G8B8A8_UINT,
          VK_SAMPLE_COUNT_4_BIT, {.uint32 = {1, 200, 30, 255}},
          Rgba8{1, 200, 30, 255}, {.uint32 = {255, 0, 128, 255}},
          Rgba8{255, 0, 128, 255}, ShadeRgba8);
  Resolve(suite, gpu, "resolve-r32-float-4", VK_FORMAT_R32_SFLOAT,
          VK_SAMPLE_COUNT_4_BIT, {.float32 = {0.3f, 0, 0, 1}}, 0.3f,
          {.float32 = {0.875f, 0, 0, 1}}, 0.875f, ShadeR32f);
  Resolve(suite, gpu, "resolve-rg8-4", VK_FORMAT_R8G8_UNORM,
          VK_SAMPLE_COUNT_4_BIT, ClearColor(kTeal),
          std::array<uint8_t, 2>{12, 130}, ClearColor(kOrange),
          std::array<uint8_t, 2>{250, 140}, ShadeRg8);
  using Words = std::array<uint16_t, 4>;
  Resolve(suite, gpu, "resolve-rgba16-4", VK_FORMAT_R16G16B16A16_UNORM,
          VK_SAMPLE_COUNT_4_BIT,
          {.float32 = {1, 77.f / 65535, 1234.f / 65535, 1}},
          Words{65535, 77, 1234, 65535},
          {.float32 = {0, 40000.f / 65535, 20000.f / 65535, 1}},
          Words{0, 40000, 20000, 65535}, ShadeRgba16);
}

// A pass stores all samples, and vkCmdResolveImage makes pixels of a part.
void ResolveImage(Suite& suite, Gpu& gpu) {
  const GpuImage many(gpu, {.width = 64,
                            .height = 48,
                            .samples = VK_SAMPLE_COUNT_4_BIT,
                            .usage = kColorUsage});
  Image wanted = Scene(80, 60);
  const GpuImage one(gpu, wanted);
  RunPass(gpu, {.colors = {Cleared(many, kTeal)}, .area = Area({0, 0, 64, 48})},
          [](VkCommandBuffer commands) {
            const VkClearAttachment clear = {
                .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
                .colorAttachment = 0,
                .clearValue = {.color = ClearColor(kOrange)}};
            const VkClearRect area = {.rect = Area({0, 0, 32, 24}),
                                      .baseArrayLayer = 0,
                                      .layerCount = 1};
            vkCmdClearAttachments(commands, 1, &clear, 1, &area);
          });
  const VkImageResolve region = {.srcSubresource = many.Layer(),
                                 .srcOffset = {11, 7, 0},
                                 .dstSubresource = one.Layer(),
                                 .dstOffset = {21, 13, 0},
                                 .extent = {47, 35, 1}};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdResolveImage(commands, many.get(), VK_IMAGE_LAYOUT_GENERAL, one.get(),
                      VK_IMAGE_LAYOUT_GENERAL, 1, &region);
  });
  wanted.Fill({21, 13, 47, 35}, kTeal);
  wanted.Fill({21, 13, 32 - 11, 24 - 7}, kOrange);
  suite.Check("resolve-image", one.Read(4), wanted);
}

}  // namespace

void CheckVulkanPasses(Suite& suite, Gpu& gpu) {
  ClearArea(suite, gpu, "pass-whole", {0, 0, 64, 48});
  ClearArea(suite, gpu, "pass-area", {13, 9, 29, 31});
  ClearArea(suite, gpu, "pass-one-pixel", {37, 21, 1, 1});
  ClearLayers(suite, gpu);
  LoadAndStore(suite, gpu);
  ClearDepth(suite, gpu);
  Resolves(suite, gpu);
  ResolveImage(suite, gpu);
}

}  // namespace nacre::guest
