// A Vulkan instance, its first device, and buffers that the CPU can map.

#ifndef NACRE_GUEST_PROGRAMS_VULKAN_DEVICE_H_
#define NACRE_GUEST_PROGRAMS_VULKAN_DEVICE_H_

#include <vulkan/vulkan.h>

#include <cstdint>

namespace nacre::guest {

// Fail()s unless `result` is VK_SUCCESS; `what` names the call.
void Check(VkResult result, const char* what);

// Owned by the caller (vkDestroyInstance).
VkInstance CreateInstance();

// The only or first device of the instance, after printing the lines `Vulkan
// device: ...` and `Vulkan driver: ...` about it.
VkPhysicalDevice PickPhysicalDevice(VkInstance instance);

// A buffer and the memory it is bound to.
struct Buffer {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
};

// A logical device with one graphics queue and timeline semaphores. Counts the
// buffers made and destroyed. Any failure ends the program.
class Device {
 public:
  explicit Device(VkPhysicalDevice physical);
  ~Device();

  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  VkDevice get() const { return device_; }
  VkQueue queue() const { return queue_; }
  // VK_ERROR_DEVICE_LOST was seen: the end of the device does not wait for it.
  void set_lost() { lost_ = true; }

  uint32_t buffers_allocated() const { return buffers_allocated_; }
  uint32_t buffers_released() const { return buffers_released_; }

  // A buffer of `size` bytes in host-visible, coherent memory, to copy from and
  // to. The caller Destroy()s it when the GPU is done with it.
  Buffer CreateBuffer(VkDeviceSize size);
  void Destroy(const Buffer& buffer);

  // Maps the buffer of `size` bytes, sets every byte and unmaps it.
  void Fill(const Buffer& buffer, VkDeviceSize size, int byte);

 private:
  uint32_t HostMemoryType(uint32_t allowed) const;

  const VkPhysicalDevice physical_;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  bool lost_ = false;
  uint32_t buffers_allocated_ = 0;
  uint32_t buffers_released_ = 0;
};

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_VULKAN_DEVICE_H_
