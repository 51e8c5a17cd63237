// GPU accesses to memory that is gone, as a Vulkan application with a bug makes
// them: commands are recorded with a buffer, and submitted when its memory has
// been freed. As on hardware, with its driver, they do no harm: reads give
// zeroes, writes are dropped, the commands behind them run, no device is lost,
// and a second process does not notice.
//
// Ends with one line `vulkan_fault: ok`. Exits with 0, or 1 after a line that
// says what failed, or 2 for a wrong flag.

#include <vulkan/vulkan.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "guest/programs/bystander.h"
#include "guest/programs/report.h"
#include "guest/programs/vulkan_device.h"
#include "guest/programs/vulkan_work.h"

namespace nacre::guest {
namespace {

constexpr VkDeviceSize kSize = 256 << 10;

void UseMeanwhile(Bystander::Question question) {
  const VkInstance instance = CreateInstance();
  {
    Device device(PickPhysicalDevice(instance));
    uint32_t rounds = 0;
    do {
      FillAndCheck(device, 0x1000 + rounds);
      ++rounds;
    } while (question.GoesOn());
  }
  vkDestroyInstance(instance, nullptr);
}

void AccessFreedMemory(Device& device) {
  const Buffer freed = device.CreateBuffer(kSize);
  const Buffer copy = device.CreateBuffer(kSize);
  const Buffer behind = device.CreateBuffer(kSize);
  device.Fill(freed, kSize, 0x11);
  device.Fill(copy, kSize, 0x22);
  device.Fill(behind, kSize, 0x33);
  {
    VulkanWork work(device);
    const VkCommandBuffer commands = work.Begin();
    const VkBufferCopy region = {.srcOffset = 0, .dstOffset = 0, .size = kSize};
    vkCmdCopyBuffer(commands, freed.buffer, copy.buffer, 1, &region);
    vkCmdFillBuffer(commands, freed.buffer, 0, kSize, 0x44444444);
    vkCmdFillBuffer(commands, behind.buffer, 0, kSize, 0x55555555);
    device.Destroy(freed);
    // Turnip gives the memory back as it next allocates; what is larger does
    // not get the same address.
    const Buffer large = device.CreateBuffer(2 * kSize);
    Check(work.Submit(), "vkQueueSubmit");
    Check(work.Wait(), "vkWaitForFences");
    device.Destroy(large);
  }
  // But for the ends of it, where Turnip's own next buffers are.
  const std::vector<uint32_t> dwords = Contents(device, copy, kSize);
  for (size_t i = dwords.size() / 4; i < dwords.size() * 3 / 4; ++i) {
    if (dwords[i] == 0) continue;
    Fail("a copy of memory that is gone: dword %zu is %#x", i, dwords[i]);
  }
  ExpectContents(device, behind, kSize, 0x55555555, "a fill behind the faults");
  device.Destroy(copy);
  device.Destroy(behind);
}

int Main(int argc, char** argv) {
  const Flag flags[] = {{nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);

  Bystander bystander(UseMeanwhile);
  const VkInstance instance = CreateInstance();
  {
    Device device(PickPhysicalDevice(instance));
    AccessFreedMemory(device);
    FillAndCheck(device, 0x66666666);
  }
  vkDestroyInstance(instance, nullptr);
  bystander.Finish();
  std::printf("vulkan_fault: ok\n");
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
