// Commands for the GPU that are recorded, submitted and waited for one after
// the other, with the results of the calls that a hang makes fail.

#ifndef NACRE_GUEST_PROGRAMS_VULKAN_WORK_H_
#define NACRE_GUEST_PROGRAMS_VULKAN_WORK_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <vector>

#include "guest/programs/vulkan_device.h"

namespace nacre::guest {

// A command buffer and its fence.
class VulkanWork {
 public:
  explicit VulkanWork(Device& device);
  ~VulkanWork();
  VulkanWork(const VulkanWork&) = delete;
  VulkanWork& operator=(const VulkanWork&) = delete;

  // To record into, up to Submit.
  VkCommandBuffer Begin();
  VkResult Submit();
  // For what was submitted; 30 seconds at most.
  VkResult Wait();
  // vkGetFenceStatus of it.
  VkResult Status() const;

 private:
  Device& device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
};

// What is in a buffer.
std::vector<uint32_t> Contents(Device& device, const Buffer& buffer,
                               VkDeviceSize size);
// Fails unless each dword in it is `value`.
void ExpectContents(Device& device, const Buffer& buffer, VkDeviceSize size,
                    uint32_t value, const char* what);

// Has the GPU fill a new buffer with `value`, and fails unless it did.
void FillAndCheck(Device& device, uint32_t value);

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_VULKAN_WORK_H_
