// The pictures that Vulkan makes, by what makes them: each uses only commands
// that Mesa's turnip does without a draw.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_VULKAN_CASES_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_VULKAN_CASES_H_

#include "guest/programs/pictures/suite.h"
#include "guest/programs/pictures/vulkan_objects.h"

namespace nacre::guest {

void CheckVulkanClears(Suite& suite, Gpu& gpu);
void CheckVulkanDepth(Suite& suite, Gpu& gpu);
void CheckVulkanPasses(Suite& suite, Gpu& gpu);
void CheckVulkanDepthPasses(Suite& suite, Gpu& gpu);
void CheckVulkanBlits(Suite& suite, Gpu& gpu);
void CheckVulkanCopies(Suite& suite, Gpu& gpu);
void CheckVulkanBuffers(Suite& suite, Gpu& gpu);
void CheckVulkanQueries(Suite& suite, Gpu& gpu);

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_VULKAN_CASES_H_
