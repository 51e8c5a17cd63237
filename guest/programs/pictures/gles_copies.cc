// glCopyTexSubImage2D, glCopyTexImage2D and glCopyImageSubData.

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"

namespace nacre::guest {
namespace {

void CopyTexSubImage(Suite& suite) {
  const Image scene = Scene(64, 48);
  const Texture source(scene);
  Image wanted = Weave(70, 50, 4, 3);
  const Texture target(wanted);
  {
    const Framebuffer read(GL_READ_FRAMEBUFFER,
                           {{GL_COLOR_ATTACHMENT0, source}});
    glBindTexture(GL_TEXTURE_2D, target.name());
    glCopyTexSubImage2D(GL_TEXTURE_2D, 0, 21, 9, 3, 5, 37, 31);
    CheckGl("glCopyTexSubImage2D");
  }
  wanted.Copy(scene, {3, 5, 37, 31}, 21, 9);
  suite.Check("copy-tex-sub-image", target.Read(), wanted);
}

void CopyTexImage(Suite& suite) {
  const Image scene = Scene(64, 48);
  const Texture source(scene);
  GLuint copy = 0;
  glGenTextures(1, &copy);
  {
    const Framebuffer read(GL_READ_FRAMEBUFFER,
                           {{GL_COLOR_ATTACHMENT0, source}});
    glBindTexture(GL_TEXTURE_2D, copy);
    glCopyTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, 7, 2, 50, 40, 0);
    CheckGl("glCopyTexImage2D");
  }
  GLuint framebuffer = 0;
  glGenFramebuffers(1, &framebuffer);
  glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer);
  glFramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
                         GL_TEXTURE_2D, copy, 0);
  const Image found = ReadPixels({0, 0, 50, 40}, kRgba8Format);
  glDeleteFramebuffers(1, &framebuffer);
  glDeleteTextures(1, &copy);
  Image wanted(50, 40, 4);
  wanted.Copy(scene, {7, 2, 50, 40}, 0, 0);
  suite.Check("copy-tex-image", found, wanted);
}

void CopyImage(const Texture& source, uint32_t level, uint32_t layer,
               const Rect& from, const Texture& target, uint32_t to_level,
               uint32_t to_layer, uint32_t x, uint32_t y, uint32_t layers = 1) {
  glCopyImageSubData(source.name(), source.target(), static_cast<GLint>(level),
                     static_cast<GLint>(from.x), static_cast<GLint>(from.y),
                     static_cast<GLint>(layer), target.name(), target.target(),
                     static_cast<GLint>(to_level), static_cast<GLint>(x),
                     static_cast<GLint>(y), static_cast<GLint>(to_layer),
                     static_cast<GLsizei>(from.width),
                     static_cast<GLsizei>(from.height),
                     static_cast<GLsizei>(layers));
  CheckGl("glCopyImageSubData");
}

void CopyKind(Suite& suite, const char* name, const GlesFormat& format,
              Shade shade) {
  const Image weave = Weave(45, 33, format.bytes, 4);
  const Texture source(weave, format);
  Image wanted = Weave(64, 48, format.bytes, 5);
  const Texture target(wanted, format);
  CopyImage(source, 0, 0, {1, 2, 43, 29}, target, 0, 0, 17, 11);
  wanted.Copy(weave, {1, 2, 43, 29}, 17, 11);
  suite.Check(name, target.Read(), wanted, shade);
}

// Levels of a texture to layers of an array; layers to slices, several at once.
void CopyLevelsAndLayers(Suite& suite) {
  Texture levels(kRgba8Format, 128, 96, 2);
  levels.Upload(Scene(64, 48), 1);
  Texture layers(GL_TEXTURE_2D_ARRAY, kRgba8Format, 64, 48, 3);
  Texture slices(GL_TEXTURE_3D, kRgba8Format, 64, 48, 4);
  std::vector<Image> wanted = {Weave(64, 48, 4, 1), Weave(64, 48, 4, 2),
                               Weave(64, 48, 4, 3)};
  for (uint32_t i = 0; i < 3; ++i) layers.Upload(wanted[i], 0, i);
  CopyImage(levels, 1, 0, {10, 10, 40, 30}, layers, 0, 1, 20, 15);
  wanted[1].Copy(Scene(64, 48), {10, 10, 40, 30}, 20, 15);
  suite.Check("copy-level-to-layer",
              Stack({layers.Read(0, 0), layers.Read(0, 1), layers.Read(0, 2)}),
              Stack(wanted));

  CopyImage(layers, 0, 0, {0, 0, 64, 48}, slices, 0, 1, 0, 0, 3);
  suite.Check("copy-layers-to-slices",
              Stack({slices.Read(0, 1), slices.Read(0, 2), slices.Read(0, 3)}),
              Stack(wanted));
}

}  // namespace

void CheckGlesCopies(Suite& suite) {
  CopyTexSubImage(suite);
  CopyTexImage(suite);
  CopyKind(suite, "copy-image-rgba8", kRgba8Format, ShadeRgba8);
  CopyKind(suite, "copy-image-r8", {GL_R8, GL_RED, GL_UNSIGNED_BYTE, 1},
           ShadeR8);
  CopyKind(suite, "copy-image-rgba32ui",
           {GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT, 16}, ShadeRgba32);
  CopyKind(suite, "copy-image-depth16",
           {GL_DEPTH_COMPONENT16, GL_DEPTH_COMPONENT, GL_UNSIGNED_SHORT, 2},
           ShadeR16);
  CopyLevelsAndLayers(suite);
}

}  // namespace nacre::guest
