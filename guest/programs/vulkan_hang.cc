// A GPU hang as Vulkan applications see it: the GPU waits for an event
// (vkCmdWaitEvents) that nobody sets, until the driver takes it for hung. A
// wait for one that the CPU sets in time is none.
//
// The device must be lost, and no later than the wait for the fence returns; a
// new one works. A second process uses the GPU meanwhile, must not lose its
// device, and must find right what the GPU wrote.
//
// Ends with one line `vulkan_hang: ok ...`. Exits with 0, or 1 after a line
// that says what failed, or 2 for a wrong flag.

#include <vulkan/vulkan.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "guest/programs/bystander.h"
#include "guest/programs/report.h"
#include "guest/programs/vulkan_device.h"
#include "guest/programs/vulkan_work.h"

namespace nacre::guest {
namespace {

constexpr VkDeviceSize kSize = 4096;
constexpr int kBefore = 0x11;
constexpr uint32_t kBeforeDword = 0x11111111;
constexpr uint32_t kAfter = 0x22222222;

void UseMeanwhile(Bystander::Question question) {
  const VkInstance instance = CreateInstance();
  uint32_t rounds = 0;
  {
    Device device(PickPhysicalDevice(instance));
    do {
      FillAndCheck(device, 0x1000 + rounds);
      ++rounds;
    } while (question.GoesOn());
  }
  vkDestroyInstance(instance, nullptr);
  std::printf("vulkan_hang: the bystander filled %u buffers\n", rounds);
}

// A fill behind a wait for an event.
class EventWait {
 public:
  explicit EventWait(Device& device)
      : device_(device), buffer_(device.CreateBuffer(kSize)), work_(device) {
    device.Fill(buffer_, kSize, kBefore);
    VkEventCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO;
    Check(vkCreateEvent(device.get(), &info, nullptr, &event_),
          "vkCreateEvent");
    const VkCommandBuffer commands = work_.Begin();
    vkCmdWaitEvents(commands, 1, &event_, VK_PIPELINE_STAGE_HOST_BIT,
                    VK_PIPELINE_STAGE_TRANSFER_BIT, 0, nullptr, 0, nullptr, 0,
                    nullptr);
    vkCmdFillBuffer(commands, buffer_.buffer, 0, kSize, kAfter);
    Check(work_.Submit(), "vkQueueSubmit");
  }
  ~EventWait() {
    vkDestroyEvent(device_.get(), event_, nullptr);
    device_.Destroy(buffer_);
  }
  EventWait(const EventWait&) = delete;
  EventWait& operator=(const EventWait&) = delete;

  VulkanWork& work() { return work_; }
  void Set() { Check(vkSetEvent(device_.get(), event_), "vkSetEvent"); }
  void Expect(uint32_t value, const char* what) {
    ExpectContents(device_, buffer_, kSize, value, what);
  }

 private:
  Device& device_;
  const Buffer buffer_;
  VulkanWork work_;
  VkEvent event_ = VK_NULL_HANDLE;
};

void WaitForTheCpu(Device& device) {
  EventWait wait(device);
  const VkResult status = wait.work().Status();
  if (status != VK_NOT_READY) {
    Fail("vkGetFenceStatus before the event was set: VkResult %d", status);
  }
  wait.Expect(kBeforeDword, "a fill whose event is not set");
  wait.Set();
  Check(wait.work().Wait(), "vkWaitForFences after the event was set");
  wait.Expect(kAfter, "a fill whose event was set");
}

// Returns how long the wait was.
int64_t WaitInVain(Device& device) {
  const auto start = std::chrono::steady_clock::now();
  EventWait wait(device);
  const VkResult waited = wait.work().Wait();
  const int64_t milliseconds = MillisecondsSince(start);
  if (waited != VK_ERROR_DEVICE_LOST) {
    Fail(
        "vkWaitForFences of a hung submission: VkResult %d, not "
        "VK_ERROR_DEVICE_LOST",
        waited);
  }
  device.set_lost();
  wait.Expect(kBeforeDword, "a fill behind the hang");
  const VkResult submitted =
      vkQueueSubmit(device.queue(), 0, nullptr, VK_NULL_HANDLE);
  if (submitted != VK_ERROR_DEVICE_LOST) {
    Fail("vkQueueSubmit to the lost device: VkResult %d", submitted);
  }
  return milliseconds;
}

int Main(int argc, char** argv) {
  const Flag flags[] = {{nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);

  Bystander bystander(UseMeanwhile);
  const VkInstance instance = CreateInstance();
  const VkPhysicalDevice physical = PickPhysicalDevice(instance);
  int64_t milliseconds = 0;
  {
    Device device(physical);
    WaitForTheCpu(device);
    milliseconds = WaitInVain(device);
  }
  {
    Device device(physical);
    FillAndCheck(device, kAfter);
  }
  vkDestroyInstance(instance, nullptr);
  bystander.Finish();
  std::printf("vulkan_hang: ok milliseconds=%" PRIi64 "\n", milliseconds);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
