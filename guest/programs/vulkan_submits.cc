// Submits command buffers with Vulkan, using the driver's kernel interface as
// applications do: buffers that the CPU maps are copied by the GPU, with a
// fence and a step of a timeline semaphore for each submit, and command buffers
// that are recorded again and again. Every result is checked; the contents of
// the copies are not.
//
// Prints `Vulkan device: ...` and `Vulkan driver: ...` and ends with one line
// `vulkan_submits: ok submits=N ...`. Exits with 0, or 1 after a line that
// says what failed, or 2 for a wrong flag.

#include <vulkan/vulkan.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "guest/programs/report.h"
#include "guest/programs/vulkan_device.h"

namespace nacre::guest {
namespace {

// A submit that is not done by then never will be.
constexpr uint64_t kTimeoutNs = 30'000'000'000;
// Submits that may be under way at once.
constexpr uint32_t kSlots = 4;

struct Totals {
  uint32_t submits = 0;
  uint32_t fences_waited = 0;
  uint64_t bytes_copied = 0;
};

// Submits copies, up to kSlots at once; each waits for the one before it.
class Copies {
 public:
  Copies(Device& device, VkDeviceSize size, Totals& totals)
      : device_(device), size_(size), totals_(totals), slots_(kSlots) {
    VkCommandPoolCreateInfo pool_info = {};
    pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool_info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    Check(vkCreateCommandPool(device.get(), &pool_info, nullptr, &pool_),
          "vkCreateCommandPool");
    VkSemaphoreTypeCreateInfo type = {};
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    VkSemaphoreCreateInfo semaphore_info = {};
    semaphore_info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
    semaphore_info.pNext = &type;
    Check(vkCreateSemaphore(device.get(), &semaphore_info, nullptr, &timeline_),
          "vkCreateSemaphore of a timeline");
    VkCommandBufferAllocateInfo allocation = {};
    allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    allocation.commandPool = pool_;
    allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocation.commandBufferCount = 1;
    VkFenceCreateInfo fence_info = {};
    fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
    for (Slot& slot : slots_) {
      Check(vkAllocateCommandBuffers(device.get(), &allocation, &slot.commands),
            "vkAllocateCommandBuffers");
      Check(vkCreateFence(device.get(), &fence_info, nullptr, &slot.fence),
            "vkCreateFence");
    }
  }

  ~Copies() {
    for (Slot& slot : slots_) {
      Finish(slot);
      vkDestroyFence(device_.get(), slot.fence, nullptr);
      vkFreeCommandBuffers(device_.get(), pool_, 1, &slot.commands);
    }
    vkDestroySemaphore(device_.get(), timeline_, nullptr);
    vkDestroyCommandPool(device_.get(), pool_, nullptr);
  }

  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  void Submit() {
    Slot& slot = slots_[totals_.submits % kSlots];
    Finish(slot);
    slot.from = device_.CreateBuffer(size_);
    slot.to = device_.CreateBuffer(size_);
    device_.Fill(slot.from, size_, static_cast<int>(totals_.submits & 0xff));
    Record(slot);

    const uint64_t before = totals_.submits;
    const uint64_t after = before + 1;
    VkTimelineSemaphoreSubmitInfo values = {};
    values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
    values.waitSemaphoreValueCount = 1;
    values.pWaitSemaphoreValues = &before;
    values.signalSemaphoreValueCount = 1;
    values.pSignalSemaphoreValues = &after;
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_TRANSFER_BIT;
    VkSubmitInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    info.pNext = &values;
    info.waitSemaphoreCount = 1;
    info.pWaitSemaphores = &timeline_;
    info.pWaitDstStageMask = &stage;
    info.commandBufferCount = 1;
    info.pCommandBuffers = &slot.commands;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &timeline_;
    Check(vkQueueSubmit(device_.queue(), 1, &info, slot.fence),
          "vkQueueSubmit");
    slot.under_way = true;
    ++totals_.submits;
    totals_.bytes_copied += size_;
  }

  // Waits for the timeline to reach the last submit.
  void WaitForTimeline() {
    const uint64_t last = totals_.submits;
    VkSemaphoreWaitInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
    info.semaphoreCount = 1;
    info.pSemaphores = &timeline_;
    info.pValues = &last;
    Check(vkWaitSemaphores(device_.get(), &info, kTimeoutNs),
          "vkWaitSemaphores");
    uint64_t value = 0;
    Check(vkGetSemaphoreCounterValue(device_.get(), timeline_, &value),
          "vkGetSemaphoreCounterValue");
    if (value != last) {
      Fail("the timeline is at %" PRIu64 " after %" PRIu64 " submits", value,
           last);
    }
  }

 private:
  struct Slot {
    VkCommandBuffer commands = VK_NULL_HANDLE;
    VkFence fence = VK_NULL_HANDLE;
    Buffer from;
    Buffer to;
    bool under_way = false;
  };

  void Record(const Slot& slot) const {
    Check(vkResetCommandBuffer(slot.commands, 0), "vkResetCommandBuffer");
    VkCommandBufferBeginInfo begin = {};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    Check(vkBeginCommandBuffer(slot.commands, &begin), "vkBeginCommandBuffer");
    const VkBufferCopy region = {.srcOffset = 0, .dstOffset = 0, .size = size_};
    vkCmdCopyBuffer(slot.commands, slot.from.buffer, slot.to.buffer, 1,
                    &region);
    VkMemoryBarrier barrier = {};
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    vkCmdPipelineBarrier(slot.commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr,
                         0, nullptr);
    Check(vkEndCommandBuffer(slot.commands), "vkEndCommandBuffer");
  }

  // Waits for what the slot has under way and releases its buffers.
  void Finish(Slot& slot) {
    if (!slot.under_way) return;
    Check(vkWaitForFences(device_.get(), 1, &slot.fence, VK_TRUE, kTimeoutNs),
          "vkWaitForFences");
    Check(vkResetFences(device_.get(), 1, &slot.fence), "vkResetFences");
    ++totals_.fences_waited;
    device_.Destroy(slot.from);
    device_.Destroy(slot.to);
    slot.under_way = false;
  }

  Device& device_;
  const VkDeviceSize size_;
  Totals& totals_;
  std::vector<Slot> slots_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkSemaphore timeline_ = VK_NULL_HANDLE;
};

int Main(int argc, char** argv) {
  uint32_t submits = 60;
  uint32_t size = 65536;
  const Flag flags[] = {{"submits", &submits, 1, 1000000},
                        {"size", &size, 4, 64 << 20},
                        {nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);

  const std::set<std::string> fds_before = OpenFds();
  Totals totals;
  uint32_t allocated = 0;
  uint32_t released = 0;
  int64_t milliseconds = 0;
  const VkInstance instance = CreateInstance();
  {
    Device device(PickPhysicalDevice(instance));
    {
      Copies copies(device, size, totals);
      const auto start = std::chrono::steady_clock::now();
      while (totals.submits < submits) copies.Submit();
      copies.WaitForTimeline();
      milliseconds = MillisecondsSince(start);
    }
    allocated = device.buffers_allocated();
    released = device.buffers_released();
  }
  vkDestroyInstance(instance, nullptr);
  FailIfFdsLeaked(fds_before);
  if (allocated != released || totals.fences_waited != totals.submits) {
    Fail("%u buffers allocated, %u released; %u submits, %u fences waited for",
         allocated, released, totals.submits, totals.fences_waited);
  }
  std::printf(
      "vulkan_submits: ok submits=%u fences=%u timeline=%u "
      "buffers_allocated=%u buffers_released=%u bytes_copied=%" PRIu64
      " "
      "milliseconds=%" PRIi64 "\n",
      totals.submits, totals.fences_waited, totals.submits, allocated, released,
      totals.bytes_copied, milliseconds);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
