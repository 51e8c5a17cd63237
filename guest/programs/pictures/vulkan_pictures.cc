// Pictures that Vulkan makes with clears, render passes, blits, copies and
// resolves, each checked against what the CPU works out.
//
//   vulkan_pictures [--out=DIR]
//
// Prints `Vulkan device: ...`, `Vulkan driver: ...`, a line PASS or FAIL a
// picture and ends with `vulkan_pictures: ok pictures=N`. Exit code: 0 if all
// are right, 1 if not, 2 for a wrong flag.

#include "guest/programs/pictures/suite.h"
#include "guest/programs/pictures/vulkan_cases.h"
#include "guest/programs/pictures/vulkan_objects.h"
#include "guest/programs/vulkan_device.h"

int main(int argc, char** argv) {
  using namespace nacre::guest;
  Suite suite("vulkan_pictures", argc, argv);
  const VkInstance instance = CreateInstance();
  {
    Gpu gpu(PickPhysicalDevice(instance));
    CheckVulkanClears(suite, gpu);
    CheckVulkanDepth(suite, gpu);
    CheckVulkanPasses(suite, gpu);
    CheckVulkanDepthPasses(suite, gpu);
    CheckVulkanBlits(suite, gpu);
    CheckVulkanCopies(suite, gpu);
    CheckVulkanBuffers(suite, gpu);
    CheckVulkanQueries(suite, gpu);
  }
  vkDestroyInstance(instance, nullptr);
  return suite.Finish();
}
