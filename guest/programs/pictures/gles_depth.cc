// Clears and blits of depth and stencil, read back with GL_NV_read_depth and
// GL_NV_read_depth_stencil. D24S8, stencil alone, and one of two aspects, Mesa
// reads with draws.

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"
#include "guest/programs/surfaceless_egl.h"

namespace nacre::guest {
namespace {

constexpr GlesFormat kDepth16 = {GL_DEPTH_COMPONENT16, GL_DEPTH_COMPONENT,
                                 GL_UNSIGNED_SHORT, 2};
constexpr GlesFormat kDepth32f = {GL_DEPTH_COMPONENT32F, GL_DEPTH_COMPONENT,
                                  GL_FLOAT, 4};
constexpr GlesFormat kDepth32fStencil8 = {GL_DEPTH32F_STENCIL8,
                                          GL_DEPTH_STENCIL,
                                          GL_FLOAT_32_UNSIGNED_INT_24_8_REV, 8};

constexpr uint32_t kWidth = 60;
constexpr uint32_t kHeight = 34;

void ClearDepth(Suite& suite) {
  const Texture depth16(kDepth16, kWidth, kHeight);
  const Texture depth32f(kDepth32f, kWidth, kHeight);
  for (const Texture* texture : {&depth16, &depth32f}) {
    const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                  {{GL_DEPTH_ATTACHMENT, *texture}});
    glClearDepthf(0.75f);
    glClear(GL_DEPTH_BUFFER_BIT);
  }
  // 0.75 * 65535 is 49151.25.
  suite.Check("clear-depth16", depth16.Read(),
              Solid(kWidth, kHeight, uint16_t{49151}), ShadeR16);
  suite.Check("clear-depth32f", depth32f.Read(), Solid(kWidth, kHeight, 0.75f),
              ShadeR32f);
}

// Of depth and stencil read together, the one or the other.
template <typename Pixel>
Image Part(const Image& both, size_t offset) {
  Image part(both.width(), both.height(), sizeof(Pixel));
  for (uint32_t y = 0; y < both.height(); ++y) {
    for (uint32_t x = 0; x < both.width(); ++x) {
      std::memcpy(part.at(x, y), both.at(x, y) + offset, sizeof(Pixel));
    }
  }
  return part;
}

// Both; then one of them alone, which the other one survives.
void ClearBoth(Suite& suite) {
  const Texture texture(kDepth32fStencil8, kWidth, kHeight);
  const auto clear = [&](GLbitfield mask, float depth, GLint stencil) {
    const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                  {{GL_DEPTH_STENCIL_ATTACHMENT, texture}});
    glClearDepthf(depth);
    glClearStencil(stencil);
    glClear(mask);
  };
  const auto check = [&](const std::string& name, float depth,
                         uint8_t stencil) {
    const Image both = texture.Read();
    suite.Check(name + "-depth", Part<float>(both, 0),
                Solid(kWidth, kHeight, depth), ShadeR32f);
    suite.Check(name + "-stencil", Part<uint8_t>(both, 4),
                Solid(kWidth, kHeight, stencil), ShadeR8);
  };
  clear(GL_DEPTH_BUFFER_BIT | GL_STENCIL_BUFFER_BIT, 0.5f, 200);
  check("clear-depth-and-stencil", 0.5f, 200);
  clear(GL_DEPTH_BUFFER_BIT, 0.25f, 1);
  check("clear-depth-alone", 0.25f, 200);
  clear(GL_STENCIL_BUFFER_BIT, 1, 90);
  check("clear-stencil-alone", 0.25f, 90);
}

// Boxes of GL_EXT_clear_texture within a picture: scissored clears. Returns
// what is there then, and does the same to `wanted`.
template <typename Pixel>
Image ClearBoxes(const GlesFormat& format, const Pixel& pixel, Image& wanted) {
  static const auto clear =
      EglFunction<PFNGLCLEARTEXSUBIMAGEEXTPROC>("glClearTexSubImageEXT");
  const Texture texture(wanted, format);
  for (const Rect& box :
       {Rect{0, 0, 5, 3}, Rect{13, 9, 29, 21}, Rect{59, 0, 1, kHeight}}) {
    clear(texture.name(), 0, static_cast<GLint>(box.x),
          static_cast<GLint>(box.y), 0, static_cast<GLsizei>(box.width),
          static_cast<GLsizei>(box.height), 1, format.format, format.type,
          &pixel);
    wanted.Fill(box, pixel);
  }
  CheckGl("glClearTexSubImageEXT of depth");
  return texture.Read();
}

// Color and depth at once.
void ClearWithColor(Suite& suite) {
  const Rgba8 blue = {20, 60, 220, 255};
  const Texture color(kRgba8Format, kWidth, kHeight);
  const Texture depth(kDepth16, kWidth, kHeight);
  {
    const Framebuffer framebuffer(
        GL_FRAMEBUFFER,
        {{GL_COLOR_ATTACHMENT0, color}, {GL_DEPTH_ATTACHMENT, depth}});
    const std::array<float, 4> floats = FloatColor(blue);
    glClearColor(floats[0], floats[1], floats[2], floats[3]);
    glClearDepthf(0);
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
  }
  suite.Check("clear-color-beside-depth", color.Read(),
              Solid(kWidth, kHeight, blue));
  suite.Check("clear-depth-beside-color", depth.Read(),
              Solid(kWidth, kHeight, uint16_t{0}), ShadeR16);
}

// Upload, blit with GL_NEAREST, read.
void Blit(Suite& suite, const char* name, const GlesFormat& format,
          const Image& image, Shade shade) {
  const Texture source(image, format);
  const Texture target(format, kWidth, kHeight);
  {
    const Framebuffer from(GL_READ_FRAMEBUFFER,
                           {{GL_DEPTH_ATTACHMENT, source}});
    const Framebuffer to(GL_DRAW_FRAMEBUFFER, {{GL_DEPTH_ATTACHMENT, target}});
    glBlitFramebuffer(0, 0, kWidth, kHeight, 0, 0, kWidth, kHeight,
                      GL_DEPTH_BUFFER_BIT, GL_NEAREST);
    CheckGl("glBlitFramebuffer of depth");
  }
  suite.Check(name, target.Read(), image, shade);
}

// From 0 to 1.
Image Floats() {
  Image floats(kWidth, kHeight, 4);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kWidth; ++x) {
      floats.Set(x, y, static_cast<float>(x * y) / (kWidth * kHeight));
    }
  }
  return floats;
}

// Depth from 0 to 1 with stencil beside it; what is beside that is 0.
Image FloatsAndStencil() {
  const Image floats = Floats();
  const Image stencil = Weave(kWidth, kHeight, 1, 3);
  Image both(kWidth, kHeight, 8);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kWidth; ++x) {
      std::memcpy(both.at(x, y), floats.at(x, y), 4);
      std::memcpy(both.at(x, y) + 4, stencil.at(x, y), 1);
    }
  }
  return both;
}

void Boxes(Suite& suite) {
  Image wanted = Weave(kWidth, kHeight, 2, 2);
  suite.Check("clear-boxes-depth16",
              ClearBoxes(kDepth16, uint16_t{40000}, wanted), wanted, ShadeR16);
  wanted = Floats();
  suite.Check("clear-boxes-depth32f", ClearBoxes(kDepth32f, 0.875f, wanted),
              wanted, ShadeR32f);
  wanted = FloatsAndStencil();
  struct {
    float depth;
    uint32_t stencil;
  } const pixel = {0.375f, 0};  // Mesa 25.0.7 takes any stencil for 0.
  const Image both = ClearBoxes(kDepth32fStencil8, pixel, wanted);
  suite.Check("clear-boxes-depth-and-stencil-depth", Part<float>(both, 0),
              Part<float>(wanted, 0), ShadeR32f);
  suite.Check("clear-boxes-depth-and-stencil-stencil", Part<uint8_t>(both, 4),
              Part<uint8_t>(wanted, 4), ShadeR8);
}

void Blits(Suite& suite) {
  Blit(suite, "blit-depth16", kDepth16, Weave(kWidth, kHeight, 2, 1), ShadeR16);
  Blit(suite, "blit-depth32f", kDepth32f, Floats(), ShadeR32f);
}

}  // namespace

void CheckGlesDepth(Suite& suite) {
  ClearDepth(suite);
  ClearBoth(suite);
  ClearWithColor(suite);
  Boxes(suite);
  Blits(suite);
}

}  // namespace nacre::guest
