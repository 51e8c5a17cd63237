#include "guest/programs/vulkan_work.h"

#include <cstring>

#include "guest/programs/report.h"

namespace nacre::guest {

VulkanWork::VulkanWork(Device& device) : device_(device) {
  VkCommandPoolCreateInfo pool_info = {};
  pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  pool_info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  Check(vkCreateCommandPool(device.get(), &pool_info, nullptr, &pool_),
        "vkCreateCommandPool");
  VkCommandBufferAllocateInfo allocation = {};
  allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  allocation.commandPool = pool_;
  allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocation.commandBufferCount = 1;
  Check(vkAllocateCommandBuffers(device.get(), &allocation, &commands_),
        "vkAllocateCommandBuffers");
  VkFenceCreateInfo fence_info = {};
  fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
  Check(vkCreateFence(device.get(), &fence_info, nullptr, &fence_),
        "vkCreateFence");
}

VulkanWork::~VulkanWork() {
  vkDestroyFence(device_.get(), fence_, nullptr);
  vkDestroyCommandPool(device_.get(), pool_, nullptr);
}

VkCommandBuffer VulkanWork::Begin() {
  Check(vkResetFences(device_.get(), 1, &fence_), "vkResetFences");
  Check(vkResetCommandBuffer(commands_, 0), "vkResetCommandBuffer");
  VkCommandBufferBeginInfo begin = {};
  begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  Check(vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
  return commands_;
}

VkResult VulkanWork::Submit() {
  VkMemoryBarrier barrier = {};
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  vkCmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT,
                       VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr,
                       0, nullptr);
  Check(vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
  VkSubmitInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands_;
  return vkQueueSubmit(device_.queue(), 1, &info, fence_);
}

VkResult VulkanWork::Wait() {
  constexpr uint64_t kTimeoutNs = 30'000'000'000;
  return vkWaitForFences(device_.get(), 1, &fence_, VK_TRUE, kTimeoutNs);
}

VkResult VulkanWork::Status() const {
  return vkGetFenceStatus(device_.get(), fence_);
}

std::vector<uint32_t> Contents(Device& device, const Buffer& buffer,
                               VkDeviceSize size) {
  void* bytes = nullptr;
  Check(vkMapMemory(device.get(), buffer.memory, 0, VK_WHOLE_SIZE, 0, &bytes),
        "vkMapMemory");
  std::vector<uint32_t> dwords(size / sizeof(uint32_t));
  std::memcpy(dwords.data(), bytes, size);
  vkUnmapMemory(device.get(), buffer.memory);
  return dwords;
}

void ExpectContents(Device& device, const Buffer& buffer, VkDeviceSize size,
                    uint32_t value, const char* what) {
  const std::vector<uint32_t> dwords = Contents(device, buffer, size);
  for (size_t i = 0; i < dwords.size(); ++i) {
    if (dwords[i] == value) continue;
    Fail("%s: dword %zu is %#x, not %#x", what, i, dwords[i], value);
  }
}

void FillAndCheck(Device& device, uint32_t value) {
  constexpr VkDeviceSize kSize = 4096;
  const Buffer buffer = device.CreateBuffer(kSize);
  device.Fill(buffer, kSize, 0x77);
  {
    VulkanWork work(device);
    vkCmdFillBuffer(work.Begin(), buffer.buffer, 0, kSize, value);
    Check(work.Submit(), "vkQueueSubmit");
    Check(work.Wait(), "vkWaitForFences");
  }
  ExpectContents(device, buffer, kSize, value, "a buffer that was filled");
  device.Destroy(buffer);
}

}  // namespace nacre::guest
