#include "guest/programs/vulkan_device.h"

#include <cstdio>
#include <cstring>

#include "guest/programs/report.h"

namespace nacre::guest {

void Check(VkResult result, const char* what) {
  if (result != VK_SUCCESS) Fail("%s: VkResult %d", what, result);
}

VkInstance CreateInstance() {
  VkApplicationInfo application = {};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.apiVersion = VK_API_VERSION_1_2;
  VkInstanceCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  VkInstance instance = VK_NULL_HANDLE;
  Check(vkCreateInstance(&info, nullptr, &instance), "vkCreateInstance");
  return instance;
}

VkPhysicalDevice PickPhysicalDevice(VkInstance instance) {
  uint32_t count = 1;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  const VkResult result =
      vkEnumeratePhysicalDevices(instance, &count, &physical);
  if (result != VK_INCOMPLETE) Check(result, "vkEnumeratePhysicalDevices");
  if (count == 0) {
    Fail("no Vulkan device (has /dev/dri a render node with native context?)");
  }

  VkPhysicalDeviceDriverProperties driver = {};
  driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
  VkPhysicalDeviceProperties2 properties = {};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  properties.pNext = &driver;
  vkGetPhysicalDeviceProperties2(physical, &properties);
  const uint32_t version = properties.properties.apiVersion;
  std::printf("Vulkan device: %s\nVulkan driver: %s (%s), API %u.%u.%u\n",
              properties.properties.deviceName, driver.driverName,
              driver.driverInfo, VK_API_VERSION_MAJOR(version),
              VK_API_VERSION_MINOR(version), VK_API_VERSION_PATCH(version));
  std::fflush(stdout);
  return physical;
}

Device::Device(VkPhysicalDevice physical) : physical_(physical) {
  uint32_t count = 1;
  VkQueueFamilyProperties family = {};
  vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, &family);
  if (count == 0 || (family.queueFlags & VK_QUEUE_GRAPHICS_BIT) == 0) {
    Fail("queue family 0 has no graphics");
  }
  const float priority = 0.5f;
  VkDeviceQueueCreateInfo queue_info = {};
  queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue_info.queueCount = 1;
  queue_info.pQueuePriorities = &priority;
  VkPhysicalDeviceVulkan12Features features = {};
  features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  features.timelineSemaphore = VK_TRUE;
  VkDeviceCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &features;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue_info;
  Check(vkCreateDevice(physical, &info, nullptr, &device_), "vkCreateDevice");
  vkGetDeviceQueue(device_, 0, 0, &queue_);
}

Device::~Device() {
  if (!lost_) Check(vkDeviceWaitIdle(device_), "vkDeviceWaitIdle");
  vkDestroyDevice(device_, nullptr);
}

Buffer Device::CreateBuffer(VkDeviceSize size) {
  Buffer made;
  VkBufferCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = size;
  info.usage =
      VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  Check(vkCreateBuffer(device_, &info, nullptr, &made.buffer),
        "vkCreateBuffer");
  VkMemoryRequirements requirements = {};
  vkGetBufferMemoryRequirements(device_, made.buffer, &requirements);
  VkMemoryAllocateInfo allocation = {};
  allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocation.allocationSize = requirements.size;
  allocation.memoryTypeIndex = HostMemoryType(requirements.memoryTypeBits);
  Check(vkAllocateMemory(device_, &allocation, nullptr, &made.memory),
        "vkAllocateMemory");
  Check(vkBindBufferMemory(device_, made.buffer, made.memory, 0),
        "vkBindBufferMemory");
  ++buffers_allocated_;
  return made;
}

void Device::Destroy(const Buffer& buffer) {
  vkDestroyBuffer(device_, buffer.buffer, nullptr);
  vkFreeMemory(device_, buffer.memory, nullptr);
  ++buffers_released_;
}

void Device::Fill(const Buffer& buffer, VkDeviceSize size, int byte) {
  void* bytes = nullptr;
  Check(vkMapMemory(device_, buffer.memory, 0, VK_WHOLE_SIZE, 0, &bytes),
        "vkMapMemory");
  std::memset(bytes, byte, size);
  vkUnmapMemory(device_, buffer.memory);
}

uint32_t Device::HostMemoryType(uint32_t allowed) const {
  constexpr VkMemoryPropertyFlags kWanted =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  VkPhysicalDeviceMemoryProperties memory = {};
  vkGetPhysicalDeviceMemoryProperties(physical_, &memory);
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    if ((allowed & (1u << i)) != 0 &&
        (memory.memoryTypes[i].propertyFlags & kWanted) == kWanted) {
      return i;
    }
  }
  Fail("no memory type is host visible and coherent");
}

}  // namespace nacre::guest
