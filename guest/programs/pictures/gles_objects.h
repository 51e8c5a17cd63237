// GLES textures and framebuffers that the pictures are made with. A current
// context is needed; any failure ends the program.

#ifndef NACRE_GUEST_PROGRAMS_PICTURES_GLES_OBJECTS_H_
#define NACRE_GUEST_PROGRAMS_PICTURES_GLES_OBJECTS_H_

#include <GLES3/gl32.h>
// After gl32.h, whose types it uses.
#include <GLES2/gl2ext.h>

#include <initializer_list>

#include "guest/programs/pictures/image.h"

namespace nacre::guest {

// Fail()s if GL has an error; `what` names what was done.
void CheckGl(const char* what);

// How a texture is kept, and how its pixels look in the CPU's memory.
struct GlesFormat {
  GLenum internal = 0;
  GLenum format = 0;
  GLenum type = 0;
  uint32_t bytes = 0;
};
inline constexpr GlesFormat kRgba8Format = {GL_RGBA8, GL_RGBA, GL_UNSIGNED_BYTE,
                                            4};

class Texture {
 public:
  Texture(const GlesFormat& format, uint32_t width, uint32_t height,
          uint32_t levels = 1);
  // GL_TEXTURE_2D_ARRAY or GL_TEXTURE_3D.
  Texture(GLenum target, const GlesFormat& format, uint32_t width,
          uint32_t height, uint32_t layers, uint32_t levels = 1);
  // With such a picture.
  explicit Texture(const Image& image, const GlesFormat& format = kRgba8Format);
  ~Texture();

  Texture(const Texture&) = delete;
  Texture& operator=(const Texture&) = delete;

  GLuint name() const { return name_; }
  GLenum target() const { return target_; }
  const GlesFormat& format() const { return format_; }
  uint32_t width(uint32_t level = 0) const;
  uint32_t height(uint32_t level = 0) const;

  void Upload(const Image& image, uint32_t level = 0, uint32_t layer = 0,
              uint32_t x = 0, uint32_t y = 0);
  // All of a level's layer, or slice.
  Image Read(uint32_t level = 0, uint32_t layer = 0) const;
  // glClear to a color (RGBA8 formats and the like), without a scissor.
  void Clear(const Rgba8& color, uint32_t level = 0, uint32_t layer = 0);

 private:
  const GLenum target_;
  const GlesFormat format_;
  const uint32_t width_;
  const uint32_t height_;
  GLuint name_ = 0;
};

// Made of levels of textures, and bound for as long as it lives.
class Framebuffer {
 public:
  struct Attachment {
    GLenum point = GL_COLOR_ATTACHMENT0;
    const Texture& texture;
    uint32_t level = 0;
    uint32_t layer = 0;
  };

  // `target`: GL_FRAMEBUFFER, GL_READ_FRAMEBUFFER or GL_DRAW_FRAMEBUFFER.
  Framebuffer(GLenum target, std::initializer_list<Attachment> attachments);
  ~Framebuffer();

  Framebuffer(const Framebuffer&) = delete;
  Framebuffer& operator=(const Framebuffer&) = delete;

 private:
  const GLenum target_;
  GLuint name_ = 0;
};

// glReadPixels of the framebuffer that is bound to read.
Image ReadPixels(const Rect& rect, const GlesFormat& format);

// `color` as glClearColor takes it.
std::array<float, 4> FloatColor(const Rgba8& color);

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_PICTURES_GLES_OBJECTS_H_
