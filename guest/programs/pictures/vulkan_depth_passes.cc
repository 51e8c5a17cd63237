// Render passes that clear depth and stencil: parts of a picture, one of the
// two alone; and several samples, cleared in rectangles and resolved.

#include <type_traits>

#include "guest/programs/pictures/render_pass.h"
#include "guest/programs/pictures/vulkan_cases.h"

namespace nacre::guest {
namespace {

constexpr VkImageUsageFlags kUsage =
    VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT;
constexpr VkImageAspectFlags kDepth = VK_IMAGE_ASPECT_DEPTH_BIT;
constexpr VkImageAspectFlags kStencil = VK_IMAGE_ASPECT_STENCIL_BIT;
constexpr uint32_t kWidth = 60;
constexpr uint32_t kHeight = 40;

VkRect2D Area(const Rect& rect) {
  return {
      .offset = {static_cast<int32_t>(rect.x), static_cast<int32_t>(rect.y)},
      .extent = {rect.width, rect.height}};
}

// A kind of depth, with or without stencil beside it, and a clear value of it.
template <typename Pixel>
struct Kind {
  const char* name;
  VkFormat format;
  bool has_stencil;
  Shade shade;
  float value;
  Pixel pixel;
};

// Depth as it is copied, without what means nothing: the highest byte of D24.
Image Meaningful(Image image, Shade shade) {
  if (shade == ShadeX8D24) {
    for (size_t i = 3; i < image.bytes().size(); i += 4) image.bytes()[i] = 0;
  }
  return image;
}

void CheckBoth(Suite& suite, const std::string& name, const GpuImage& image,
               const Image& depth, Shade shade, const Image* stencil) {
  suite.Check(
      name + "-depth",
      Meaningful(image.Read(depth.bytes_per_pixel(), 0, 0, kDepth), shade),
      depth, shade);
  if (stencil == nullptr) return;
  suite.Check(name + "-stencil", image.Read(1, 0, 0, kStencil), *stencil,
              ShadeR8);
}

// A part of a picture is cleared, of the aspects that are named; all else, also
// the other aspect in that part, stays.
template <typename Pixel>
void ClearArea(Suite& suite, Gpu& gpu, const char* what,
               const Kind<Pixel>& kind, VkImageAspectFlags aspects) {
  constexpr Rect kArea = {11, 7, 29, 22};
  constexpr uint8_t kStencilValue = 171;
  Image depth(kWidth, kHeight, sizeof(Pixel));
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kWidth; ++x) {
      Pixel pixel = static_cast<Pixel>(x * 4 + y * 256);
      if (std::is_floating_point_v<Pixel>) pixel /= 16384;
      depth.Set(x, y, pixel);
    }
  }
  Image stencil = Weave(kWidth, kHeight, 1, 14);
  GpuImage image(gpu, {.format = kind.format,
                       .width = kWidth,
                       .height = kHeight,
                       .usage = kUsage});
  if (kind.has_stencil) image.Upload(stencil, 0, 0, kStencil);
  image.Upload(depth, 0, 0, kDepth);
  const auto load = [aspects](VkImageAspectFlags aspect) {
    return (aspects & aspect) != 0 ? VK_ATTACHMENT_LOAD_OP_CLEAR
                                   : VK_ATTACHMENT_LOAD_OP_LOAD;
  };
  RunPass(gpu,
          {.depth = {{.image = &image,
                      .load = load(kDepth),
                      .stencil_load = load(kStencil),
                      .clear = {.depthStencil = {kind.value, kStencilValue}}}},
           .area = Area(kArea)});
  if ((aspects & kDepth) != 0) depth.Fill(kArea, kind.pixel);
  if ((aspects & kStencil) != 0) stencil.Fill(kArea, kStencilValue);
  CheckBoth(suite, std::string("pass-area-") + kind.name + what, image, depth,
            kind.shade, kind.has_stencil ? &stencil : nullptr);
}

VkAttachmentDescription2 Attachment(VkFormat format,
                                    VkSampleCountFlagBits samples,
                                    VkAttachmentLoadOp load,
                                    VkAttachmentStoreOp store) {
  VkAttachmentDescription2 description = {};
  description.sType = VK_STRUCTURE_TYPE_ATTACHMENT_DESCRIPTION_2;
  description.format = format;
  description.samples = samples;
  description.loadOp = load;
  description.storeOp = store;
  description.stencilLoadOp = load;
  description.stencilStoreOp = store;
  description.initialLayout = VK_IMAGE_LAYOUT_GENERAL;
  description.finalLayout = VK_IMAGE_LAYOUT_GENERAL;
  return description;
}

VkAttachmentReference2 Reference(uint32_t attachment) {
  VkAttachmentReference2 reference = {};
  reference.sType = VK_STRUCTURE_TYPE_ATTACHMENT_REFERENCE_2;
  reference.attachment = attachment;
  reference.layout = VK_IMAGE_LAYOUT_GENERAL;
  reference.aspectMask = kDepth | kStencil;
  return reference;
}

// A pass that clears several samples of depth and stencil and keeps the first
// one of each pixel.
VkRenderPass ResolvingPass(Gpu& gpu, VkFormat format) {
  const VkAttachmentDescription2 attachments[] = {
      Attachment(format, VK_SAMPLE_COUNT_4_BIT, VK_ATTACHMENT_LOAD_OP_CLEAR,
                 VK_ATTACHMENT_STORE_OP_DONT_CARE),
      Attachment(format, VK_SAMPLE_COUNT_1_BIT, VK_ATTACHMENT_LOAD_OP_DONT_CARE,
                 VK_ATTACHMENT_STORE_OP_STORE)};
  const VkAttachmentReference2 many = Reference(0);
  const VkAttachmentReference2 one = Reference(1);
  VkSubpassDescriptionDepthStencilResolve resolve = {};
  resolve.sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_DEPTH_STENCIL_RESOLVE;
  resolve.depthResolveMode = VK_RESOLVE_MODE_SAMPLE_ZERO_BIT;
  resolve.stencilResolveMode = VK_RESOLVE_MODE_SAMPLE_ZERO_BIT;
  resolve.pDepthStencilResolveAttachment = &one;
  VkSubpassDescription2 subpass = {};
  subpass.sType = VK_STRUCTURE_TYPE_SUBPASS_DESCRIPTION_2;
  subpass.pNext = &resolve;
  subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
  subpass.pDepthStencilAttachment = &many;
  VkRenderPassCreateInfo2 info = {};
  info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO_2;
  info.attachmentCount = 2;
  info.pAttachments = attachments;
  info.subpassCount = 1;
  info.pSubpasses = &subpass;
  VkRenderPass pass = VK_NULL_HANDLE;
  Check(vkCreateRenderPass2(gpu.device(), &info, nullptr, &pass),
        "vkCreateRenderPass2");
  return pass;
}

VkImageView View(Gpu& gpu, const GpuImage& image) {
  VkImageViewCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO;
  info.image = image.get();
  info.viewType = VK_IMAGE_VIEW_TYPE_2D;
  info.format = image.info().format;
  info.subresourceRange = image.All();
  VkImageView view = VK_NULL_HANDLE;
  Check(vkCreateImageView(gpu.device(), &info, nullptr, &view),
        "vkCreateImageView");
  return view;
}

// Rectangles of the one, the other and both aspects within a clear of all.
template <typename Pixel>
void Resolve(Suite& suite, Gpu& gpu, const Kind<Pixel>& kind,
             const Pixel& zero) {
  const ImageInfo one_info = {.format = kind.format,
                              .width = kWidth,
                              .height = kHeight,
                              .usage = kUsage};
  ImageInfo many_info = one_info;
  many_info.samples = VK_SAMPLE_COUNT_4_BIT;
  const GpuImage many(gpu, many_info);
  const GpuImage one(gpu, one_info);
  const VkRenderPass pass = ResolvingPass(gpu, kind.format);
  const VkImageView views[] = {View(gpu, many), View(gpu, one)};
  VkFramebufferCreateInfo info = {};
  info.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO;
  info.renderPass = pass;
  info.attachmentCount = 2;
  info.pAttachments = views;
  info.width = kWidth;
  info.height = kHeight;
  info.layers = 1;
  VkFramebuffer framebuffer = VK_NULL_HANDLE;
  Check(vkCreateFramebuffer(gpu.device(), &info, nullptr, &framebuffer),
        "vkCreateFramebuffer");

  const VkClearValue clears[] = {{.depthStencil = {kind.value, 40}},
                                 {.depthStencil = {}}};
  VkRenderPassBeginInfo begin = {};
  begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO;
  begin.renderPass = pass;
  begin.framebuffer = framebuffer;
  begin.renderArea = Area({0, 0, kWidth, kHeight});
  begin.clearValueCount = 2;
  begin.pClearValues = clears;
  const struct {
    Rect rect;
    VkImageAspectFlags aspects;
  } parts[] = {{{5, 3, 20, 15}, kDepth},
               {{15, 10, 21, 19}, kStencil},
               {{41, 17, 13, 23}, kDepth | kStencil}};
  Image depth = Solid(kWidth, kHeight, kind.pixel);
  Image stencil = Solid(kWidth, kHeight, uint8_t{40});
  gpu.Run([&](VkCommandBuffer commands) {
    vkCmdBeginRenderPass(commands, &begin, VK_SUBPASS_CONTENTS_INLINE);
    for (const auto& [rect, aspects] : parts) {
      const VkClearAttachment clear = {
          .aspectMask = aspects,
          .colorAttachment = 0,
          .clearValue = {.depthStencil = {0, 250}}};
      const VkClearRect area = {
          .rect = Area(rect), .baseArrayLayer = 0, .layerCount = 1};
      vkCmdClearAttachments(commands, 1, &clear, 1, &area);
      if ((aspects & kDepth) != 0) depth.Fill(rect, zero);
      if ((aspects & kStencil) != 0) stencil.Fill(rect, uint8_t{250});
    }
    vkCmdEndRenderPass(commands);
  });
  CheckBoth(suite, std::string("resolve-") + kind.name, one, depth, kind.shade,
            &stencil);
  vkDestroyFramebuffer(gpu.device(), framebuffer, nullptr);
  for (VkImageView view : views) {
    vkDestroyImageView(gpu.device(), view, nullptr);
  }
  vkDestroyRenderPass(gpu.device(), pass, nullptr);
}

}  // namespace

void CheckVulkanDepthPasses(Suite& suite, Gpu& gpu) {
  // 0.75 * 65535 is 49151.25, 0.25 * (2^24 - 1) is 4194303.75.
  const Kind<uint16_t> d16 = {
      "d16", VK_FORMAT_D16_UNORM, false, ShadeR16, 0.75f, 49151};
  const Kind<uint32_t> d24s8 = {
      "d24s8", VK_FORMAT_D24_UNORM_S8_UINT, true, ShadeX8D24, 0.25f, 4194304};
  const Kind<float> d32s8 = {
      "d32s8", VK_FORMAT_D32_SFLOAT_S8_UINT, true, ShadeR32f, 0.625f, 0.625f};
  ClearArea(suite, gpu, "", d16, kDepth);
  ClearArea(suite, gpu, "-both", d24s8, kDepth | kStencil);
  ClearArea(suite, gpu, "-depth-alone", d24s8, kDepth);
  ClearArea(suite, gpu, "-stencil-alone", d24s8, kStencil);
  ClearArea(suite, gpu, "-both", d32s8, kDepth | kStencil);
  ClearArea(suite, gpu, "-depth-alone", d32s8, kDepth);
  ClearArea(suite, gpu, "-stencil-alone", d32s8, kStencil);
  Resolve(suite, gpu, d24s8, uint32_t{0});
  Resolve(suite, gpu, d32s8, 0.0f);
}

}  // namespace nacre::guest
