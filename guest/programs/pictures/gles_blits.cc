// glBlitFramebuffer and glGenerateMipmap.

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"

namespace nacre::guest {
namespace {

// A linear weight has eight bits in GPUs: what they make of it may be one
// number off the exact result.
constexpr int kLinearTolerance = 1;

constexpr Rgba8 kBackground = {90, 90, 100, 255};

void BlitColor(const Texture& source, const Box& from, const Texture& target,
               const Box& to, GLenum filter) {
  const Framebuffer read(GL_READ_FRAMEBUFFER, {{GL_COLOR_ATTACHMENT0, source}});
  const Framebuffer draw(GL_DRAW_FRAMEBUFFER, {{GL_COLOR_ATTACHMENT0, target}});
  glBlitFramebuffer(from.x0, from.y0, from.x1, from.y1, to.x0, to.y0, to.x1,
                    to.y1, GL_COLOR_BUFFER_BIT, filter);
  CheckGl("glBlitFramebuffer");
}

struct Scaling {
  const char* name;
  Box from;
  uint32_t width;
  uint32_t height;
  Box to;
};

void CheckScaling(Suite& suite, const Scaling& scaling, GLenum filter) {
  const Image scene = Scene(64, 48);
  const Texture source(scene);
  Image wanted = Solid(scaling.width, scaling.height, kBackground);
  const Texture target(wanted);
  BlitColor(source, scaling.from, target, scaling.to, filter);
  if (filter == GL_NEAREST) {
    BlitNearest(scene, scaling.from, scaling.to, wanted);
    suite.Check(std::string(scaling.name) + "-nearest", target.Read(), wanted);
  } else {
    BlitLinear(scene, scaling.from, scaling.to, wanted);
    suite.Check(std::string(scaling.name) + "-linear", target.Read(), wanted,
                ShadeRgba8, kLinearTolerance);
  }
}

// None but the last has the centre of a pixel between two pixels of the source,
// where GL does not say which is the nearest.
void Scaled(Suite& suite) {
  const Scaling scalings[] = {
      {"blit-whole", {0, 0, 64, 48}, 64, 48, {0, 0, 64, 48}},
      {"blit-offset", {5, 7, 42, 30}, 80, 60, {21, 13, 58, 36}},
      {"blit-up", {0, 0, 64, 48}, 144, 100, {5, 3, 133, 99}},
      {"blit-up-uneven", {10, 6, 41, 39}, 120, 80, {7, 4, 104, 75}},
      {"blit-down-uneven", {3, 1, 62, 46}, 48, 32, {4, 2, 41, 31}},
      {"blit-mirror-x", {0, 0, 64, 48}, 64, 48, {64, 0, 0, 48}},
      {"blit-mirror-y", {0, 48, 64, 0}, 64, 48, {0, 0, 64, 48}},
      {"blit-mirror-both-up", {59, 4, 8, 40}, 120, 90, {6, 85, 113, 5}},
      {"blit-mirror-twice", {64, 0, 0, 48}, 64, 48, {64, 0, 0, 48}},
  };
  for (const Scaling& scaling : scalings) {
    CheckScaling(suite, scaling, GL_NEAREST);
    CheckScaling(suite, scaling, GL_LINEAR);
  }
  CheckScaling(suite, {"blit-half", {0, 0, 64, 48}, 40, 30, {2, 4, 34, 28}},
               GL_LINEAR);
}

// What lies outside of the scissor stays.
void Scissored(Suite& suite) {
  const Image scene = Scene(64, 48);
  const Texture source(scene);
  Image wanted = Solid(100, 70, kBackground);
  const Texture target(wanted);
  const Rect scissor = {31, 17, 40, 29};
  glEnable(GL_SCISSOR_TEST);
  glScissor(31, 17, 40, 29);
  BlitColor(source, {0, 0, 63, 47}, target, {2, 1, 98, 69}, GL_NEAREST);
  glDisable(GL_SCISSOR_TEST);
  Image whole = wanted;
  BlitNearest(scene, {0, 0, 63, 47}, {2, 1, 98, 69}, whole);
  wanted.Copy(whole, scissor, scissor.x, scissor.y);
  suite.Check("blit-scissored", target.Read(), wanted);
}

// One kind of pixel to itself, moved.
void Same(Suite& suite, const char* name, const GlesFormat& format,
          Shade shade) {
  const Image weave = Weave(40, 30, format.bytes, 7);
  const Texture source(weave, format);
  Image wanted = Weave(50, 40, format.bytes, 8);
  const Texture target(wanted, format);
  BlitColor(source, {3, 4, 38, 29}, target, {11, 8, 46, 33}, GL_NEAREST);
  BlitNearest(weave, {3, 4, 38, 29}, {11, 8, 46, 33}, wanted);
  suite.Check(name, target.Read(), wanted, shade);
}

void Kinds(Suite& suite) {
  Same(suite, "blit-r8", {GL_R8, GL_RED, GL_UNSIGNED_BYTE, 1}, ShadeR8);
  Same(suite, "blit-rg8", {GL_RG8, GL_RG, GL_UNSIGNED_BYTE, 2}, ShadeRg8);
  Same(suite, "blit-rgb565", {GL_RGB565, GL_RGB, GL_UNSIGNED_SHORT_5_6_5, 2},
       ShadeR5G6B5);
  Same(suite, "blit-rgb10-a2",
       {GL_RGB10_A2, GL_RGBA, GL_UNSIGNED_INT_2_10_10_10_REV, 4},
       ShadeA2B10G10R10);
  Same(suite, "blit-srgb8-alpha8",
       {GL_SRGB8_ALPHA8, GL_RGBA, GL_UNSIGNED_BYTE, 4}, ShadeRgba8);
  Same(suite, "blit-rgba8ui",
       {GL_RGBA8UI, GL_RGBA_INTEGER, GL_UNSIGNED_BYTE, 4}, ShadeRgba8);
  Same(suite, "blit-rgba16ui",
       {GL_RGBA16UI, GL_RGBA_INTEGER, GL_UNSIGNED_SHORT, 8}, ShadeRgba16);
  Same(suite, "blit-rgba32ui",
       {GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT, 16}, ShadeRgba32);
}

// BGRA to RGBA: the channels change places in memory.
void FromBgra(Suite& suite) {
  const GlesFormat bgra = {GL_BGRA8_EXT, GL_BGRA_EXT, GL_UNSIGNED_BYTE, 4};
  const Image scene = Scene(64, 48);
  Image swapped = scene;
  for (uint32_t y = 0; y < 48; ++y) {
    for (uint32_t x = 0; x < 64; ++x) {
      swapped.Set(x, y, ShadeBgra8(scene.at(x, y)));
    }
  }
  const Texture source(swapped, bgra);
  const Texture target(kRgba8Format, 64, 48);
  BlitColor(source, {0, 0, 64, 48}, target, {0, 0, 64, 48}, GL_NEAREST);
  suite.Check("blit-bgra-to-rgba", target.Read(), scene);
}

// From a layer of an array to a level of a texture.
void LayerToLevel(Suite& suite) {
  Texture source(GL_TEXTURE_2D_ARRAY, kRgba8Format, 64, 48, 3);
  Texture target(kRgba8Format, 128, 96, 3);
  const Image scene = Scene(64, 48);
  source.Upload(scene, 0, 2);
  target.Clear(kBackground, 1);
  {
    const Framebuffer read(GL_READ_FRAMEBUFFER,
                           {{GL_COLOR_ATTACHMENT0, source, 0, 2}});
    const Framebuffer draw(GL_DRAW_FRAMEBUFFER,
                           {{GL_COLOR_ATTACHMENT0, target, 1}});
    glBlitFramebuffer(8, 8, 56, 40, 4, 2, 52, 34, GL_COLOR_BUFFER_BIT,
                      GL_NEAREST);
    CheckGl("glBlitFramebuffer");
  }
  Image wanted = Solid(64, 48, kBackground);
  BlitNearest(scene, {8, 8, 56, 40}, {4, 2, 52, 34}, wanted);
  suite.Check("blit-layer-to-level", target.Read(1), wanted);
}

// Each level is the average of 2x2 of the one before, as that one came out.
void Mipmap(Suite& suite) {
  Texture texture(kRgba8Format, 128, 64, 6);
  texture.Upload(Scene(128, 64));
  glBindTexture(GL_TEXTURE_2D, texture.name());
  glGenerateMipmap(GL_TEXTURE_2D);
  CheckGl("glGenerateMipmap");
  std::vector<Image> found = {texture.Read(0)};
  std::vector<Image> wanted = {Scene(128, 64)};
  for (uint32_t level = 1; level < 6; ++level) {
    wanted.push_back(Halved(found.back()));
    found.push_back(texture.Read(level));
  }
  suite.Check("generate-mipmap", Stack(found), Stack(wanted), ShadeRgba8,
              kLinearTolerance);
}

}  // namespace

void CheckGlesBlits(Suite& suite) {
  Scaled(suite);
  Scissored(suite);
  Kinds(suite);
  FromBgra(suite);
  LayerToLevel(suite);
  Mipmap(suite);
}

}  // namespace nacre::guest
