// vkCmdCopyImage, vkCmdCopyBufferToImage and vkCmdCopyImageToBuffer.

#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

void CopyKind(Suite& suite, Gpu& gpu, const char* name, VkFormat format,
              size_t bytes_per_pixel, Shade shade) {
  const Image weave = Weave(45, 33, bytes_per_pixel, 4);
  Image wanted = Weave(64, 48, bytes_per_pixel, 5);
  const GpuImage source(gpu, weave, format);
  const GpuImage target(gpu, wanted, format);
  const VkImageCopy region = {.srcSubresource = source.Layer(),
                              .srcOffset = {1, 2, 0},
                              .dstSubresource = target.Layer(),
                              .dstOffset = {17, 11, 0},
                              .extent = {43, 29, 1}};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyImage(commands, source.get(), VK_IMAGE_LAYOUT_GENERAL,
                   target.get(), VK_IMAGE_LAYOUT_GENERAL, 1, &region);
  });
  wanted.Copy(weave, {1, 2, 43, 29}, 17, 11);
  suite.Check(name, target.Read(bytes_per_pixel), wanted, shade);
}

// Bits of one kind become another's.
void CopyBits(Suite& suite, Gpu& gpu) {
  const Image weave = Weave(45, 33, 4, 6);
  const GpuImage source(gpu, weave, VK_FORMAT_R8G8B8A8_UNORM);
  const GpuImage target(
      gpu, {.format = VK_FORMAT_R32_UINT, .width = 45, .height = 33});
  const VkImageCopy region = {.srcSubresource = source.Layer(),
                              .srcOffset = {},
                              .dstSubresource = target.Layer(),
                              .dstOffset = {},
                              .extent = {45, 33, 1}};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyImage(commands, source.get(), VK_IMAGE_LAYOUT_GENERAL,
                   target.get(), VK_IMAGE_LAYOUT_GENERAL, 1, &region);
  });
  suite.Check("copy-rgba8-to-r32-uint", target.Read(4), weave);
}

// Two layers of a level to two others of another, and to slices.
void CopyLayers(Suite& suite, Gpu& gpu) {
  GpuImage source(gpu, {.width = 64, .height = 48, .layers = 3, .levels = 2});
  const GpuImage layers(gpu, {.width = 32, .height = 24, .layers = 4});
  const GpuImage slices(gpu, {.width = 32, .height = 24, .depth = 4});
  ClearImage(gpu, layers, {90, 90, 100, 255});
  ClearImage(gpu, slices, {90, 90, 100, 255});
  const Image second = Scene(32, 24);
  const Image third = Weave(32, 24, 4, 7);
  source.Upload(second, 1, 1);
  source.Upload(third, 1, 2);
  VkImageCopy region = {.srcSubresource = source.Layer(1, 1),
                        .srcOffset = {2, 1, 0},
                        .dstSubresource = layers.Layer(0, 1),
                        .dstOffset = {0, 3, 0},
                        .extent = {30, 21, 1}};
  region.srcSubresource.layerCount = 2;
  region.dstSubresource.layerCount = 2;
  VkImageCopy to_slices = region;
  to_slices.dstSubresource = slices.Layer();
  to_slices.dstOffset.z = 2;
  to_slices.extent.depth = 2;
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyImage(commands, source.get(), VK_IMAGE_LAYOUT_GENERAL,
                   layers.get(), VK_IMAGE_LAYOUT_GENERAL, 1, &region);
    vkCmdCopyImage(commands, source.get(), VK_IMAGE_LAYOUT_GENERAL,
                   slices.get(), VK_IMAGE_LAYOUT_GENERAL, 1, &to_slices);
  });
  const Image empty = Solid(32, 24, Rgba8{90, 90, 100, 255});
  std::vector<Image> wanted = {empty, empty, empty, empty};
  wanted[1].Copy(second, {2, 1, 30, 21}, 0, 3);
  wanted[2].Copy(third, {2, 1, 30, 21}, 0, 3);
  suite.Check("copy-layers",
              Stack({layers.Read(4, 0, 0), layers.Read(4, 0, 1),
                     layers.Read(4, 0, 2), layers.Read(4, 0, 3)}),
              Stack(wanted));
  suite.Check("copy-layers-to-slices",
              Stack({slices.Read(4, 0, 0), slices.Read(4, 0, 1),
                     slices.Read(4, 0, 2), slices.Read(4, 0, 3)}),
              Stack({empty, empty, wanted[1], wanted[2]}));
}

// A rectangle in a buffer whose rows and layers are longer than what is copied,
// to two layers of an image and back to another place.
void Strides(Suite& suite, Gpu& gpu, const char* name, VkFormat format,
             uint32_t bytes_per_pixel, Shade shade) {
  constexpr uint32_t kRow = 71;
  constexpr uint32_t kRows = 37;
  const Image memory = Weave(kRow, 2 * kRows, bytes_per_pixel, 8);
  Image wanted = Weave(kRow, 2 * kRows, bytes_per_pixel, 9);
  const HostBuffer from(gpu, memory.bytes());
  const HostBuffer to(gpu, wanted.bytes());
  const GpuImage image(
      gpu, {.format = format, .width = 64, .height = 48, .layers = 2});
  VkBufferImageCopy upload = {};
  upload.bufferOffset = VkDeviceSize{bytes_per_pixel} * (kRow * 3 + 5);
  upload.bufferRowLength = kRow;
  upload.bufferImageHeight = kRows;
  upload.imageSubresource = image.Layer();
  upload.imageSubresource.layerCount = 2;
  upload.imageOffset = {9, 4, 0};
  upload.imageExtent = {53, 31, 1};
  VkBufferImageCopy download = upload;
  download.bufferOffset = VkDeviceSize{bytes_per_pixel} * (kRow * 2 + 11);
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyBufferToImage(commands, from.get(), image.get(),
                           VK_IMAGE_LAYOUT_GENERAL, 1, &upload);
    Barrier(commands);
    vkCmdCopyImageToBuffer(commands, image.get(), VK_IMAGE_LAYOUT_GENERAL,
                           to.get(), 1, &download);
  });
  for (uint32_t layer = 0; layer < 2; ++layer) {
    wanted.Copy(memory, {5, 3 + layer * kRows, 53, 31}, 11, 2 + layer * kRows);
  }
  Image found(kRow, 2 * kRows, bytes_per_pixel);
  found.bytes() = to.Bytes();
  suite.Check(name, found, wanted, shade);
}

// Blocks of 4x4 pixels, eight bytes each: through two images, moved.
void Blocks(Suite& suite, Gpu& gpu) {
  const Image memory = Weave(16, 12, 8, 10);
  const Image background = Weave(20, 14, 8, 11);
  Image wanted = background;
  const HostBuffer from(gpu, memory.bytes());
  const HostBuffer under(gpu, background.bytes());
  const HostBuffer to(gpu, background.bytes().size());
  const VkFormat format = VK_FORMAT_ETC2_R8G8B8_UNORM_BLOCK;
  const GpuImage source(gpu, {.format = format, .width = 64, .height = 48});
  const GpuImage target(gpu, {.format = format, .width = 80, .height = 56});
  VkBufferImageCopy small = {};
  small.imageSubresource = source.Layer();
  small.imageExtent = {64, 48, 1};
  VkBufferImageCopy large = small;
  large.imageExtent = {80, 56, 1};
  const VkImageCopy region = {.srcSubresource = source.Layer(),
                              .srcOffset = {4, 8, 0},
                              .dstSubresource = target.Layer(),
                              .dstOffset = {20, 12, 0},
                              .extent = {44, 36, 1}};
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdCopyBufferToImage(commands, from.get(), source.get(),
                           VK_IMAGE_LAYOUT_GENERAL, 1, &small);
    vkCmdCopyBufferToImage(commands, under.get(), target.get(),
                           VK_IMAGE_LAYOUT_GENERAL, 1, &large);
    Barrier(commands);
    vkCmdCopyImage(commands, source.get(), VK_IMAGE_LAYOUT_GENERAL,
                   target.get(), VK_IMAGE_LAYOUT_GENERAL, 1, &region);
    Barrier(commands);
    vkCmdCopyImageToBuffer(commands, target.get(), VK_IMAGE_LAYOUT_GENERAL,
                           to.get(), 1, &large);
  });
  wanted.Copy(memory, {1, 2, 11, 9}, 5, 3);
  Image found(20, 14, 8);
  found.bytes() = to.Bytes();
  suite.Check("copy-etc2-blocks", found, wanted, ShadeRgba16);
}

// Each aspect of depth and stencil by itself; the other one stays.
void Aspects(Suite& suite, Gpu& gpu) {
  GpuImage image(
      gpu, {.format = VK_FORMAT_D24_UNORM_S8_UINT, .width = 45, .height = 33});
  const Image stencil = Weave(45, 33, 1, 12);
  Image depth = Weave(45, 33, 4, 13);
  // The byte beside depth means nothing.
  for (size_t i = 3; i < depth.bytes().size(); i += 4) depth.bytes()[i] = 0;
  image.Upload(stencil, 0, 0, VK_IMAGE_ASPECT_STENCIL_BIT);
  image.Upload(depth, 0, 0, VK_IMAGE_ASPECT_DEPTH_BIT);
  Image found = image.Read(4, 0, 0, VK_IMAGE_ASPECT_DEPTH_BIT);
  for (size_t i = 3; i < found.bytes().size(); i += 4) found.bytes()[i] = 0;
  suite.Check("aspects-d24s8-depth", found, depth, ShadeX8D24);
  suite.Check("aspects-d24s8-stencil",
              image.Read(1, 0, 0, VK_IMAGE_ASPECT_STENCIL_BIT), stencil,
              ShadeR8);
}

}  // namespace

void CheckVulkanCopies(Suite& suite, Gpu& gpu) {
  CopyKind(suite, gpu, "copy-rgba8", VK_FORMAT_R8G8B8A8_UNORM, 4, ShadeRgba8);
  CopyKind(suite, gpu, "copy-r8", VK_FORMAT_R8_UNORM, 1, ShadeR8);
  CopyKind(suite, gpu, "copy-rg8", VK_FORMAT_R8G8_UNORM, 2, ShadeRg8);
  CopyKind(suite, gpu, "copy-rgba16-uint", VK_FORMAT_R16G16B16A16_UINT, 8,
           ShadeRgba16);
  CopyKind(suite, gpu, "copy-rgba32-uint", VK_FORMAT_R32G32B32A32_UINT, 16,
           ShadeRgba32);
  CopyKind(suite, gpu, "copy-srgb", VK_FORMAT_R8G8B8A8_SRGB, 4, ShadeRgba8);
  CopyKind(suite, gpu, "copy-d16", VK_FORMAT_D16_UNORM, 2, ShadeR16);
  CopyBits(suite, gpu);
  CopyLayers(suite, gpu);
  Strides(suite, gpu, "strides-rgba8", VK_FORMAT_R8G8B8A8_UNORM, 4, ShadeRgba8);
  Strides(suite, gpu, "strides-r8", VK_FORMAT_R8_UNORM, 1, ShadeR8);
  Strides(suite, gpu, "strides-r5g6b5", VK_FORMAT_R5G6B5_UNORM_PACK16, 2,
          ShadeR5G6B5);
  Strides(suite, gpu, "strides-rgba32-uint", VK_FORMAT_R32G32B32A32_UINT, 16,
          ShadeRgba32);
  Blocks(suite, gpu);
  Aspects(suite, gpu);
}

}  // namespace nacre::guest
