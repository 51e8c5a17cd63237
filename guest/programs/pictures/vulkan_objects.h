// A Vulkan device with which pictures are made: images, buffers, and commands
// that are submitted and waited for. Images stay in VK_IMAGE_LAYOUT_GENERAL,
// and all commands wait for those before them. Any failure ends the program.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_VULKAN_OBJECTS_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_VULKAN_OBJECTS_H_

#include <vulkan/vulkan.h>

#include <functional>
#include <utility>
#include <vector>

#include "guest/programs/pictures/image.h"
#include "guest/programs/vulkan_device.h"

namespace nacre::guest {

class Gpu {
 public:
  explicit Gpu(VkPhysicalDevice physical);
  ~Gpu();

  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  VkDevice device() const { return device_.get(); }
  VkPhysicalDevice physical() const { return physical_; }

  // Records, submits and waits.
  void Run(const std::function<void(VkCommandBuffer)>& record);

 private:
  const VkPhysicalDevice physical_;
  Device device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
};

// All that was written before is seen by all that follows.
void Barrier(VkCommandBuffer commands);

// A buffer that the CPU sees for as long as it lives.
class HostBuffer {
 public:
  HostBuffer(Gpu& gpu, VkDeviceSize size);
  // With such bytes.
  HostBuffer(Gpu& gpu, const std::vector<uint8_t>& bytes);
  ~HostBuffer();

  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  VkBuffer get() const { return buffer_; }
  std::vector<uint8_t> Bytes() const;

 private:
  Gpu& gpu_;
  const VkDeviceSize size_;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  void* mapped_ = nullptr;
};

struct ImageInfo {
  VkFormat format = VK_FORMAT_R8G8B8A8_UNORM;
  uint32_t width = 0;
  uint32_t height = 0;
  uint32_t depth = 1;  // More than 1: a 3D image.
  uint32_t layers = 1;
  uint32_t levels = 1;
  VkSampleCountFlagBits samples = VK_SAMPLE_COUNT_1_BIT;
  // Beside copying from and to it.
  VkImageUsageFlags usage = 0;
};

class GpuImage {
 public:
  GpuImage(Gpu& gpu, const ImageInfo& info);
  // Of the format, with such a picture.
  GpuImage(Gpu& gpu, const Image& picture,
           VkFormat format = VK_FORMAT_R8G8B8A8_UNORM,
           VkImageUsageFlags usage = 0);
  ~GpuImage();

  GpuImage(const GpuImage&) = delete;
  GpuImage& operator=(const GpuImage&) = delete;

  VkImage get() const { return image_; }
  const ImageInfo& info() const { return info_; }
  // Color, or depth and stencil as the format has them.
  VkImageAspectFlags aspects() const;
  VkImageSubresourceLayers Layer(uint32_t level = 0, uint32_t layer = 0) const;
  VkImageSubresourceRange Range(uint32_t first_level, uint32_t levels,
                                uint32_t first_layer, uint32_t layers) const;
  VkImageSubresourceRange All() const;

  // One level and layer, or slice, with vkCmdCopyBufferToImage and back.
  void Upload(const Image& picture, uint32_t level = 0, uint32_t layer = 0,
              VkImageAspectFlags aspect = 0);
  Image Read(size_t bytes_per_pixel, uint32_t level = 0, uint32_t layer = 0,
             VkImageAspectFlags aspect = 0) const;

 private:
  // The whole of a level and layer, for copies.
  VkBufferImageCopy Region(uint32_t level, uint32_t layer,
                           VkImageAspectFlags aspect) const;

  Gpu& gpu_;
  const ImageInfo info_;
  VkImage image_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
};

VkClearColorValue ClearColor(const Rgba8& color);
// vkCmdClearColorImage of all of it.
void ClearImage(Gpu& gpu, const GpuImage& image, const Rgba8& color);

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_VULKAN_OBJECTS_H_
