// A Vulkan render pass with one subpass, without draws.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_RENDER_PASS_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_RENDER_PASS_H_

#include <functional>
#include <optional>
#include <vector>

#include "guest/programs/pictures/vulkan_objects.h"

namespace nacre::guest {

// One level and `layers` layers of an image, which needs the usage to be one.
struct PassAttachment {
  const GpuImage* image = nullptr;
  VkAttachmentLoadOp load = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
  std::optional<VkAttachmentLoadOp> stencil_load = {};  // As `load`.
  VkAttachmentStoreOp store = VK_ATTACHMENT_STORE_OP_STORE;
  VkClearValue clear = {};
  uint32_t level = 0;
  uint32_t layer = 0;
};

struct Pass {
  std::vector<PassAttachment> colors = {};
  // None, or one for each of `colors`, with one sample.
  std::vector<PassAttachment> resolves = {};
  // At most one.
  std::vector<PassAttachment> depth = {};
  VkRect2D area = {};
  uint32_t layers = 1;
};

// Runs it, with the commands that `record` adds inside.
void RunPass(
    Gpu& gpu, const Pass& pass,
    const std::function<void(VkCommandBuffer)>& record = [](VkCommandBuffer) {
    });

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_RENDER_PASS_H_
