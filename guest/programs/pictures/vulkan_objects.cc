#include "guest/programs/pictures/vulkan_objects.h"

#include <algorithm>
#include <cstring>

#include "guest/programs/report.h"

namespace nacre::guest {
namespace {

// What is not done by then never will be.
constexpr uint64_t kTimeoutNs = 60'000'000'000;

// Memory of the first allowed type that has all of `wanted`.
VkDeviceMemory Allocate(const Gpu& gpu, const VkMemoryRequirements& needed,
                        VkMemoryPropertyFlags wanted) {
  VkPhysicalDeviceMemoryProperties memory = {};
  vkGetPhysicalDeviceMemoryProperties(gpu.physical(), &memory);
  VkMemoryAllocateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  info.allocationSize = needed.size;
  while (info.memoryTypeIndex < memory.memoryTypeCount &&
         ((needed.memoryTypeBits & 1u << info.memoryTypeIndex) == 0 ||
          (memory.memoryTypes[info.memoryTypeIndex].propertyFlags & wanted) !=
              wanted)) {
    ++info.memoryTypeIndex;
  }
  if (info.memoryTypeIndex == memory.memoryTypeCount) {
    Fail("no memory type has the properties 0x%x", wanted);
  }
  VkDeviceMemory made = VK_NULL_HANDLE;
  Check(vkAllocateMemory(gpu.device(), &info, nullptr, &made),
        "vkAllocateMemory");
  return made;
}

}  // namespace

Gpu::Gpu(VkPhysicalDevice physical) : physical_(physical), device_(physical) {
  VkCommandPoolCreateInfo pool = {};
  pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  Check(vkCreateCommandPool(device(), &pool, nullptr, &pool_),
        "vkCreateCommandPool");
  VkCommandBufferAllocateInfo allocation = {};
  allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  allocation.commandPool = pool_;
  allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocation.commandBufferCount = 1;
  Check(vkAllocateCommandBuffers(device(), &allocation, &commands_),
        "vkAllocateCommandBuffers");
  VkFenceCreateInfo fence = {};
  fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
  Check(vkCreateFence(device(), &fence, nullptr, &fence_), "vkCreateFence");
}

Gpu::~Gpu() {
  vkDestroyFence(device(), fence_, nullptr);
  vkDestroyCommandPool(device(), pool_, nullptr);
}

void Gpu::Run(const std::function<void(VkCommandBuffer)>& record) {
  VkCommandBufferBeginInfo begin = {};
  begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  Check(vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
  record(commands_);
  Barrier(commands_);
  Check(vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
  VkSubmitInfo submit = {};
  submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &commands_;
  Check(vkQueueSubmit(device_.queue(), 1, &submit, fence_), "vkQueueSubmit");
  Check(vkWaitForFences(device(), 1, &fence_, VK_TRUE, kTimeoutNs),
        "vkWaitForFences");
  Check(vkResetFences(device(), 1, &fence_), "vkResetFences");
}

void Barrier(VkCommandBuffer commands) {
  VkMemoryBarrier barrier = {};
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  barrier.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT |
                          VK_ACCESS_MEMORY_WRITE_BIT | VK_ACCESS_HOST_READ_BIT;
  vkCmdPipelineBarrier(
      commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
      VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
      &barrier, 0, nullptr, 0, nullptr);
}

HostBuffer::HostBuffer(Gpu& gpu, VkDeviceSize size) : gpu_(gpu), size_(size) {
  VkBufferCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = size;
  info.usage =
      VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  Check(vkCreateBuffer(gpu.device(), &info, nullptr, &buffer_),
        "vkCreateBuffer");
  VkMemoryRequirements needed = {};
  vkGetBufferMemoryRequirements(gpu.device(), buffer_, &needed);
  memory_ = Allocate(gpu, needed,
                     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
  Check(vkBindBufferMemory(gpu.device(), buffer_, memory_, 0),
        "vkBindBufferMemory");
  Check(vkMapMemory(gpu.device(), memory_, 0, VK_WHOLE_SIZE, 0, &mapped_),
        "vkMapMemory");
}

HostBuffer::HostBuffer(Gpu& gpu, const std::vector<uint8_t>& bytes)
    : HostBuffer(gpu, bytes.size()) {
  std::memcpy(mapped_, bytes.data(), bytes.size());
}

HostBuffer::~HostBuffer() {
  vkUnmapMemory(gpu_.device(), memory_);
  vkDestroyBuffer(gpu_.device(), buffer_, nullptr);
  vkFreeMemory(gpu_.device(), memory_, nullptr);
}

std::vector<uint8_t> HostBuffer::Bytes() const {
  const uint8_t* bytes = static_cast<const uint8_t*>(mapped_);
  return {bytes, bytes + size_};
}

GpuImage::GpuImage(Gpu& gpu, const ImageInfo& info) : gpu_(gpu), info_(info) {
  VkImageCreateInfo create = {};
  create.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
  create.imageType = info.depth > 1 ? VK_IMAGE_TYPE_3D : VK_IMAGE_TYPE_2D;
  create.format = info.format;
  create.extent = {info.width, info.height, info.depth};
  create.mipLevels = info.levels;
  create.arrayLayers = info.layers;
  create.samples = info.samples;
  create.tiling = VK_IMAGE_TILING_OPTIMAL;
  create.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                 VK_IMAGE_USAGE_TRANSFER_DST_BIT | info.usage;
  create.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
  Check(vkCreateImage(gpu.device(), &create, nullptr, &image_),
        "vkCreateImage");
  VkMemoryRequirements needed = {};
  vkGetImageMemoryRequirements(gpu.device(), image_, &needed);
  memory_ = Allocate(gpu, needed, 0);
  Check(vkBindImageMemory(gpu.device(), image_, memory_, 0),
        "vkBindImageMemory");
  gpu.Run([&](VkCommandBuffer commands) {
    VkImageMemoryBarrier barrier = {};
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
    barrier.dstAccessMask =
        VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;
    barrier.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED;
    barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
    barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    barrier.image = image_;
    barrier.subresourceRange = All();
    vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                         VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, nullptr, 0,
                         nullptr, 1, &barrier);
  });
}

GpuImage::GpuImage(Gpu& gpu, const Image& picture, VkFormat format,
                   VkImageUsageFlags usage)
    : GpuImage(gpu, ImageInfo{.format = format,
                              .width = picture.width(),
                              .height = picture.height(),
                              .usage = usage}) {
  Upload(picture);
}

GpuImage::~GpuImage() {
  vkDestroyImage(gpu_.device(), image_, nullptr);
  vkFreeMemory(gpu_.device(), memory_, nullptr);
}

VkImageAspectFlags GpuImage::aspects() const {
  switch (info_.format) {
    case VK_FORMAT_D16_UNORM:
    case VK_FORMAT_D32_SFLOAT:
    case VK_FORMAT_X8_D24_UNORM_PACK32:
      return VK_IMAGE_ASPECT_DEPTH_BIT;
    case VK_FORMAT_S8_UINT:
      return VK_IMAGE_ASPECT_STENCIL_BIT;
    case VK_FORMAT_D24_UNORM_S8_UINT:
    case VK_FORMAT_D32_SFLOAT_S8_UINT:
      return VK_IMAGE_ASPECT_DEPTH_BIT | VK_IMAGE_ASPECT_STENCIL_BIT;
    default:
      return VK_IMAGE_ASPECT_COLOR_BIT;
  }
}

VkImageSubresourceLayers GpuImage::Layer(uint32_t level, uint32_t layer) const {
  return {.aspectMask = aspects(),
          .mipLevel = level,
          .baseArrayLayer = layer,
          .layerCount = 1};
}

VkImageSubresourceRange GpuImage::Range(uint32_t first_level, uint32_t levels,
                                        uint32_t first_layer,
                                        uint32_t layers) const {
  return {.aspectMask = aspects(),
          .baseMipLevel = first_level,
          .levelCount = levels,
          .baseArrayLayer = first_layer,
          .layerCount = layers};
}

VkImageSubresourceRange GpuImage::All() const {
  return Range(0, info_.levels, 0, info_.layers);
}

VkBufferImageCopy GpuImage::Region(uint32_t level, uint32_t layer,
                                   VkImageAspectFlags aspect) const {
  const bool is_3d = info_.depth > 1;
  VkBufferImageCopy region = {};
  region.imageSubresource = Layer(level, is_3d ? 0 : layer);
  if (aspect != 0) region.imageSubresource.aspectMask = aspect;
  region.imageOffset.z = is_3d ? static_cast<int32_t>(layer) : 0;
  region.imageExtent = {std::max(info_.width >> level, 1u),
                        std::max(info_.height >> level, 1u), 1};
  return region;
}

void GpuImage::Upload(const Image& picture, uint32_t level, uint32_t layer,
                      VkImageAspectFlags aspect) {
  const HostBuffer buffer(gpu_, picture.bytes());
  const VkBufferImageCopy region = Region(level, layer, aspect);
  gpu_.Run([&](VkCommandBuffer commands) {
    vkCmdCopyBufferToImage(commands, buffer.get(), image_,
                           VK_IMAGE_LAYOUT_GENERAL, 1, &region);
  });
}

Image GpuImage::Read(size_t bytes_per_pixel, uint32_t level, uint32_t layer,
                     VkImageAspectFlags aspect) const {
  const VkBufferImageCopy region = Region(level, layer, aspect);
  Image picture(region.imageExtent.width, region.imageExtent.height,
                bytes_per_pixel);
  const HostBuffer buffer(gpu_, picture.bytes().size());
  gpu_.Run([&](VkCommandBuffer commands) {
    vkCmdCopyImageToBuffer(commands, image_, VK_IMAGE_LAYOUT_GENERAL,
                           buffer.get(), 1, &region);
  });
  picture.bytes() = buffer.Bytes();
  return picture;
}

VkClearColorValue ClearColor(const Rgba8& color) {
  VkClearColorValue value = {};
  for (size_t i = 0; i < color.size(); ++i) {
    value.float32[i] = static_cast<float>(color[i]) / 255;
  }
  return value;
}

void ClearImage(Gpu& gpu, const GpuImage& image, const Rgba8& color) {
  const VkClearColorValue value = ClearColor(color);
  const VkImageSubresourceRange all = image.All();
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdClearColorImage(commands, image.get(), VK_IMAGE_LAYOUT_GENERAL, &value,
                         1, &all);
  });
}

}  // namespace nacre::guest
