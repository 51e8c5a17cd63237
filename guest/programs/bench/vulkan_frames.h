// Frames of Vulkan that cost the GPU next to nothing and the way to it all the
// more.

#ifndef NACRE_GUEST_PROGRAMS_BENCH_VULKAN_FRAMES_H_
#define NACRE_GUEST_PROGRAMS_BENCH_VULKAN_FRAMES_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <vector>

#include "guest/programs/vulkan_device.h"

namespace nacre::guest {

struct FrameShape {
  // vkQueueSubmits a frame, the last with a fence.
  uint32_t submits = 1;
  // Frames that may be under way; with 1 each is waited for before the next.
  uint32_t under_way = 2;
  // Buffers that live as long as the frames do: turnip names all memory of a
  // device in each submit.
  uint32_t buffers = 0;
  // Buffers that each frame allocates, maps, fills, copies and, when it is
  // done, releases; turnip has no cache of them. `size` bytes each.
  uint32_t fresh = 0;
  uint32_t size = 65536;
};

// On a queue of its own device; any failure ends the program. One thread.
class VulkanFrames {
 public:
  VulkanFrames(VkPhysicalDevice physical, const FrameShape& shape);
  ~VulkanFrames();
  VulkanFrames(const VulkanFrames&) = delete;
  VulkanFrames& operator=(const VulkanFrames&) = delete;

  void Frame();
  // Waits for those under way.
  void Finish();

 private:
  // A frame that is under way.
  struct Slot {
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkFence fence = VK_NULL_HANDLE;
    std::vector<Buffer> fresh;
    bool under_way = false;
  };

  void Record(VkCommandBuffer commands, const std::vector<Buffer>& fresh);
  void Submit(VkCommandBuffer commands, VkFence fence);
  void Finish(Slot& slot);

  const FrameShape shape_;
  Device device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  Buffer target_;
  std::vector<Buffer> buffers_;
  std::vector<Slot> slots_;
  uint64_t frames_ = 0;
};

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_BENCH_VULKAN_FRAMES_H_
