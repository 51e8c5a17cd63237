#include "guest/programs/bench/vulkan_frames.h"

#include <algorithm>

namespace nacre::guest {
namespace {

// What a frame without fresh buffers writes.
constexpr VkDeviceSize kFilled = 64;
constexpr VkDeviceSize kHeldBufferSize = 4096;

VkCommandBuffer AllocateCommands(VkDevice device, VkCommandPool pool) {
  VkCommandBufferAllocateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  info.commandPool = pool;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  Check(vkAllocateCommandBuffers(device, &info, &commands),
        "vkAllocateCommandBuffers");
  return commands;
}

VkFence CreateFence(VkDevice device) {
  VkFenceCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
  VkFence fence = VK_NULL_HANDLE;
  Check(vkCreateFence(device, &info, nullptr, &fence), "vkCreateFence");
  return fence;
}

}  // namespace

VulkanFrames::VulkanFrames(VkPhysicalDevice physical, const FrameShape& shape)
    : shape_(shape), device_(physical), slots_(shape.under_way) {
  VkCommandPoolCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  Check(vkCreateCommandPool(device_.get(), &info, nullptr, &pool_),
        "vkCreateCommandPool");
  target_ = device_.CreateBuffer(std::max<VkDeviceSize>(shape.size, kFilled));
  for (uint32_t i = 0; i < shape.buffers; ++i) {
    buffers_.push_back(device_.CreateBuffer(kHeldBufferSize));
  }
  for (Slot& slot : slots_) {
    slot.commands = AllocateCommands(device_.get(), pool_);
    slot.fence = CreateFence(device_.get());
    Record(slot.commands, {});
  }
}

VulkanFrames::~VulkanFrames() {
  Finish();
  for (const Slot& slot : slots_) {
    vkDestroyFence(device_.get(), slot.fence, nullptr);
  }
  vkDestroyCommandPool(device_.get(), pool_, nullptr);
  for (const Buffer& buffer : buffers_) device_.Destroy(buffer);
  device_.Destroy(target_);
}

void VulkanFrames::Frame() {
  Slot& slot = slots_[frames_++ % slots_.size()];
  Finish(slot);
  for (uint32_t i = 0; i < shape_.fresh; ++i) {
    slot.fresh.push_back(device_.CreateBuffer(shape_.size));
    device_.Fill(slot.fresh.back(), shape_.size, static_cast<int>(i));
  }
  if (shape_.fresh > 0) Record(slot.commands, slot.fresh);
  for (uint32_t i = 1; i < shape_.submits; ++i) {
    Submit(slot.commands, VK_NULL_HANDLE);
  }
  Submit(slot.commands, slot.fence);
  slot.under_way = true;
}

void VulkanFrames::Finish() {
  for (Slot& slot : slots_) Finish(slot);
}

void VulkanFrames::Record(VkCommandBuffer commands,
                          const std::vector<Buffer>& fresh) {
  VkCommandBufferBeginInfo begin = {};
  begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  // One is submitted several times before it is done.
  begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  Check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
  vkCmdFillBuffer(commands, target_.buffer, 0, kFilled, 0x01020304);
  const VkBufferCopy region = {
      .srcOffset = 0, .dstOffset = 0, .size = shape_.size};
  for (const Buffer& buffer : fresh) {
    vkCmdCopyBuffer(commands, buffer.buffer, target_.buffer, 1, &region);
  }
  Check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
}

void VulkanFrames::Submit(VkCommandBuffer commands, VkFence fence) {
  VkSubmitInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  Check(vkQueueSubmit(device_.queue(), 1, &info, fence), "vkQueueSubmit");
}

void VulkanFrames::Finish(Slot& slot) {
  // A frame that is not done by then never will be.
  constexpr uint64_t kTimeoutNs = 30'000'000'000;
  if (!slot.under_way) return;
  Check(vkWaitForFences(device_.get(), 1, &slot.fence, VK_TRUE, kTimeoutNs),
        "vkWaitForFences");
  Check(vkResetFences(device_.get(), 1, &slot.fence), "vkResetFences");
  for (const Buffer& buffer : slot.fresh) device_.Destroy(buffer);
  slot.fresh.clear();
  slot.under_way = false;
}

}  // namespace nacre::guest
