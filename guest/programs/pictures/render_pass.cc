#include "guest/programs/pictures/render_pass.h"

#include <algorithm>

namespace nacre::guest {
namespace {

// All that one run needs, attachments in the order colors, resolves, depth.
class Objects {
 public:
  Objects(Gpu& gpu, const Pass& pass) : gpu_(gpu) {
    for (const auto* list : {&pass.colors, &pass.resolves, &pass.depth}) {
      for (const PassAttachment& attachment : *list) {
        Add(attachment, pass.layers);
      }
    }
    MakeRenderPass(pass);
    MakeFramebuffer(pass);
  }

  ~Objects() {
    vkDestroyFramebuffer(gpu_.device(), framebuffer_, nullptr);
    vkDestroyRenderPass(gpu_.device(), render_pass_, nullptr);
    for (VkImageView view : views_) {
      vkDestroyImageView(gpu_.device(), view, nullptr);
    }
  }

  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;

  VkRenderPassBeginInfo Begin(const VkRect2D& area) const {
    VkRenderPassBeginInfo begin = {};
    begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO;
    begin.renderPass = render_pass_;
    begin.framebuffer = framebuffer_;
    begin.renderArea = area;
    begin.clearValueCount = static_cast<uint32_t>(clears_.size());
    begin.pClearValues = clears_.data();
    return begin;
  }

 private:
  void Add(const PassAttachment& attachment, uint32_t layers) {
    const GpuImage& image = *attachment.image;
    VkAttachmentDescription description = {};
    description.format = image.info().format;
    description.samples = image.info().samples;
    description.loadOp = attachment.load;
    description.storeOp = attachment.store;
    description.stencilLoadOp =
        attachment.stencil_load.value_or(attachment.load);
    description.stencilStoreOp = attachment.store;
    description.initialLayout = VK_IMAGE_LAYOUT_GENERAL;
    description.finalLayout = VK_IMAGE_LAYOUT_GENERAL;
    descriptions_.push_back(description);
    clears_.push_back(attachment.clear);
    VkImageViewCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO;
    info.image = image.get();
    info.viewType =
        layers > 1 ? VK_IMAGE_VIEW_TYPE_2D_ARRAY : VK_IMAGE_VIEW_TYPE_2D;
    info.format = image.info().format;
    info.subresourceRange =
        image.Range(attachment.level, 1, attachment.layer, layers);
    VkImageView view = VK_NULL_HANDLE;
    Check(vkCreateImageView(gpu_.device(), &info, nullptr, &view),
          "vkCreateImageView");
    views_.push_back(view);
  }

  void MakeRenderPass(const Pass& pass) {
    std::vector<VkAttachmentReference> references;
    for (uint32_t i = 0; i < views_.size(); ++i) {
      references.push_back(
          {.attachment = i, .layout = VK_IMAGE_LAYOUT_GENERAL});
    }
    VkSubpassDescription subpass = {};
    subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
    subpass.colorAttachmentCount = static_cast<uint32_t>(pass.colors.size());
    subpass.pColorAttachments = references.data();
    if (!pass.resolves.empty()) {
      subpass.pResolveAttachments = references.data() + pass.colors.size();
    }
    if (!pass.depth.empty()) {
      subpass.pDepthStencilAttachment = &references.back();
    }
    VkRenderPassCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO;
    info.attachmentCount = static_cast<uint32_t>(descriptions_.size());
    info.pAttachments = descriptions_.data();
    info.subpassCount = 1;
    info.pSubpasses = &subpass;
    Check(vkCreateRenderPass(gpu_.device(), &info, nullptr, &render_pass_),
          "vkCreateRenderPass");
  }

  void MakeFramebuffer(const Pass& pass) {
    const PassAttachment& first =
        pass.colors.empty() ? pass.depth.front() : pass.colors.front();
    const ImageInfo& image = first.image->info();
    VkFramebufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO;
    info.renderPass = render_pass_;
    info.attachmentCount = static_cast<uint32_t>(views_.size());
    info.pAttachments = views_.data();
    info.width = std::max(image.width >> first.level, 1u);
    info.height = std::max(image.height >> first.level, 1u);
    info.layers = pass.layers;
    Check(vkCreateFramebuffer(gpu_.device(), &info, nullptr, &framebuffer_),
          "vkCreateFramebuffer");
  }

  Gpu& gpu_;
  std::vector<VkAttachmentDescription> descriptions_;
  std::vector<VkClearValue> clears_;
  std::vector<VkImageView> views_;
  VkRenderPass render_pass_ = VK_NULL_HANDLE;
  VkFramebuffer framebuffer_ = VK_NULL_HANDLE;
};

}  // namespace

void RunPass(Gpu& gpu, const Pass& pass,
             const std::function<void(VkCommandBuffer)>& record) {
  const Objects objects(gpu, pass);
  const VkRenderPassBeginInfo begin = objects.Begin(pass.area);
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
    record(commands);
    vkCmdEndRenderPass(commands);
  });
}

}  // namespace nacre::guest
