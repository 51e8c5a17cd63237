#include "guest/programs/pictures/gles_objects.h"

#include <algorithm>

#include "guest/programs/report.h"

namespace nacre::guest {
namespace {

GLenum AttachmentPoint(const GlesFormat& format) {
  switch (format.format) {
    case GL_DEPTH_COMPONENT:
      return GL_DEPTH_ATTACHMENT;
    case GL_STENCIL_INDEX:
      return GL_STENCIL_ATTACHMENT;
    case GL_DEPTH_STENCIL:
      return GL_DEPTH_STENCIL_ATTACHMENT;
    default:
      return GL_COLOR_ATTACHMENT0;
  }
}

}  // namespace

void CheckGl(const char* what) {
  const GLenum error = glGetError();
  if (error != GL_NO_ERROR) Fail("%s: GL error 0x%04x", what, error);
}

Texture::Texture(const GlesFormat& format, uint32_t width, uint32_t height,
                 uint32_t levels)
    : target_(GL_TEXTURE_2D), format_(format), width_(width), height_(height) {
  glGenTextures(1, &name_);
  glBindTexture(target_, name_);
  glTexStorage2D(target_, static_cast<GLsizei>(levels), format.internal,
                 static_cast<GLsizei>(width), static_cast<GLsizei>(height));
  CheckGl("glTexStorage2D");
}

Texture::Texture(GLenum target, const GlesFormat& format, uint32_t width,
                 uint32_t height, uint32_t layers, uint32_t levels)
    : target_(target), format_(format), width_(width), height_(height) {
  glGenTextures(1, &name_);
  glBindTexture(target_, name_);
  glTexStorage3D(target_, static_cast<GLsizei>(levels), format.internal,
                 static_cast<GLsizei>(width), static_cast<GLsizei>(height),
                 static_cast<GLsizei>(layers));
  CheckGl("glTexStorage3D");
}

Texture::Texture(const Image& image, const GlesFormat& format)
    : Texture(format, image.width(), image.height()) {
  Upload(image);
}

Texture::~Texture() {
  glDeleteTextures(1, &name_);
  CheckGl("a picture");
}

uint32_t Texture::width(uint32_t level) const {
  return std::max(width_ >> level, 1u);
}

uint32_t Texture::height(uint32_t level) const {
  return std::max(height_ >> level, 1u);
}

void Texture::Upload(const Image& image, uint32_t level, uint32_t layer,
                     uint32_t x, uint32_t y) {
  glBindTexture(target_, name_);
  glPixelStorei(GL_UNPACK_ALIGNMENT, 1);
  const GLint at_level = static_cast<GLint>(level);
  const GLint left = static_cast<GLint>(x);
  const GLint top = static_cast<GLint>(y);
  const GLsizei width = static_cast<GLsizei>(image.width());
  const GLsizei height = static_cast<GLsizei>(image.height());
  if (target_ == GL_TEXTURE_2D) {
    glTexSubImage2D(target_, at_level, left, top, width, height, format_.format,
                    format_.type, image.bytes().data());
  } else {
    glTexSubImage3D(target_, at_level, left, top, static_cast<GLint>(layer),
                    width, height, 1, format_.format, format_.type,
                    image.bytes().data());
  }
  CheckGl("uploading a picture");
}

Image Texture::Read(uint32_t level, uint32_t layer) const {
  const Framebuffer framebuffer(
      GL_READ_FRAMEBUFFER, {{AttachmentPoint(format_), *this, level, layer}});
  return ReadPixels({0, 0, width(level), height(level)}, format_);
}

void Texture::Clear(const Rgba8& color, uint32_t level, uint32_t layer) {
  const Framebuffer framebuffer(GL_DRAW_FRAMEBUFFER,
                                {{GL_COLOR_ATTACHMENT0, *this, level, layer}});
  glClearBufferfv(GL_COLOR, 0, FloatColor(color).data());
  CheckGl("glClearBufferfv");
}

Framebuffer::Framebuffer(GLenum target,
                         std::initializer_list<Attachment> attachments)
    : target_(target) {
  glGenFramebuffers(1, &name_);
  glBindFramebuffer(target, name_);
  std::vector<GLenum> colors;
  for (const Attachment& attachment : attachments) {
    const Texture& texture = attachment.texture;
    if (texture.target() == GL_TEXTURE_2D) {
      glFramebufferTexture2D(target, attachment.point, GL_TEXTURE_2D,
                             texture.name(),
                             static_cast<GLint>(attachment.level));
    } else {
      glFramebufferTextureLayer(target, attachment.point, texture.name(),
                                static_cast<GLint>(attachment.level),
                                static_cast<GLint>(attachment.layer));
    }
    if (attachment.point >= GL_COLOR_ATTACHMENT0 &&
        attachment.point <= GL_COLOR_ATTACHMENT15) {
      colors.push_back(attachment.point);
    }
  }
  if (target != GL_READ_FRAMEBUFFER) {
    glDrawBuffers(static_cast<GLsizei>(colors.size()), colors.data());
  }
  const GLenum status = glCheckFramebufferStatus(target);
  if (status != GL_FRAMEBUFFER_COMPLETE) {
    Fail("a framebuffer is not complete: 0x%04x", status);
  }
}

Framebuffer::~Framebuffer() {
  glBindFramebuffer(target_, 0);
  glDeleteFramebuffers(1, &name_);
}

Image ReadPixels(const Rect& rect, const GlesFormat& format) {
  Image image(rect.width, rect.height, format.bytes);
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(static_cast<GLint>(rect.x), static_cast<GLint>(rect.y),
               static_cast<GLsizei>(rect.width),
               static_cast<GLsizei>(rect.height), format.format, format.type,
               image.bytes().data());
  CheckGl("glReadPixels");
  return image;
}

std::array<float, 4> FloatColor(const Rgba8& color) {
  std::array<float, 4> floats;
  for (size_t i = 0; i < color.size(); ++i) {
    floats[i] = static_cast<float>(color[i]) / 255;
  }
  return floats;
}

}  // namespace nacre::guest
