#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"
#include "guest/programs/surfaceless_egl.h"

namespace nacre::guest {
namespace {

constexpr Rgba8 kTeal = {12, 130, 140, 255};
constexpr Rgba8 kOrange = {250, 140, 20, 200};
constexpr Rgba8 kViolet = {120, 40, 170, 255};
constexpr Rgba8 kGreen = {70, 180, 60, 128};

void SolidColor(Suite& suite) {
  Texture texture(kRgba8Format, 64, 48);
  texture.Clear(kTeal);
  suite.Check("clear", texture.Read(), Solid(64, 48, kTeal));
}

// Neither side is a multiple of anything that a tile is.
void OddSize(Suite& suite) {
  Texture texture(kRgba8Format, 61, 37);
  texture.Clear(kOrange);
  suite.Check("clear-odd-size", texture.Read(), Solid(61, 37, kOrange));
}

// More than one bin of a GMEM of 1 MiB.
void ManyBins(Suite& suite) {
  Texture texture(kRgba8Format, 1000, 600);
  texture.Clear(kViolet);
  suite.Check("clear-many-bins", texture.Read(), Solid(1000, 600, kViolet));
}

void SeveralTargets(Suite& suite) {
  const Texture first(kRgba8Format, 40, 24);
  const Texture second(kRgba8Format, 40, 24);
  const Texture third(kRgba8Format, 40, 24);
  {
    const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                  {{GL_COLOR_ATTACHMENT0, first},
                                   {GL_COLOR_ATTACHMENT1, second},
                                   {GL_COLOR_ATTACHMENT2, third}});
    glClearBufferfv(GL_COLOR, 0, FloatColor(kTeal).data());
    glClearBufferfv(GL_COLOR, 1, FloatColor(kOrange).data());
    glClearBufferfv(GL_COLOR, 2, FloatColor(kViolet).data());
  }
  suite.Check("clear-three-targets",
              Stack({first.Read(), second.Read(), third.Read()}),
              Stack({Solid(40, 24, kTeal), Solid(40, 24, kOrange),
                     Solid(40, 24, kViolet)}));
}

// One glClear of two: of the second target nothing changes.
void OneOfTwoTargets(Suite& suite) {
  const Image scene = Scene(64, 48);
  const Texture first(scene);
  const Texture second(scene);
  {
    const Framebuffer framebuffer(
        GL_FRAMEBUFFER,
        {{GL_COLOR_ATTACHMENT0, first}, {GL_COLOR_ATTACHMENT1, second}});
    glClearBufferfv(GL_COLOR, 0, FloatColor(kGreen).data());
  }
  suite.Check("clear-one-of-two-targets", Stack({first.Read(), second.Read()}),
              Stack({Solid(64, 48, kGreen), scene}));
}

// Boxes of GL_EXT_clear_texture: scissored clears.
void Boxes(Suite& suite) {
  static const auto clear =
      EglFunction<PFNGLCLEARTEXSUBIMAGEEXTPROC>("glClearTexSubImageEXT");
  Image wanted = Scene(64, 48);
  const Texture texture(wanted);
  const struct {
    Rect rect;
    Rgba8 color;
  } boxes[] = {{{0, 0, 7, 5}, kTeal},
               {{13, 9, 33, 21}, kOrange},
               {{40, 25, 24, 23}, kViolet},
               {{63, 0, 1, 48}, kGreen},
               {{20, 31, 1, 1}, kTeal}};
  for (const auto& [rect, color] : boxes) {
    clear(texture.name(), 0, static_cast<GLint>(rect.x),
          static_cast<GLint>(rect.y), 0, static_cast<GLsizei>(rect.width),
          static_cast<GLsizei>(rect.height), 1, GL_RGBA, GL_UNSIGNED_BYTE,
          color.data());
    wanted.Fill(rect, color);
  }
  suite.Check("clear-boxes", texture.Read(), wanted);
}

// A box through some layers of an array and of a 3D texture.
void Volume(Suite& suite, GLenum target, const char* name) {
  static const auto clear =
      EglFunction<PFNGLCLEARTEXSUBIMAGEEXTPROC>("glClearTexSubImageEXT");
  Texture texture(target, kRgba8Format, 32, 24, 5);
  std::vector<Image> found;
  std::vector<Image> wanted;
  for (uint32_t layer = 0; layer < 5; ++layer) {
    texture.Upload(Scene(32, 24), 0, layer);
  }
  clear(texture.name(), 0, 3, 2, 1, 17, 11, 3, GL_RGBA, GL_UNSIGNED_BYTE,
        kOrange.data());
  for (uint32_t layer = 0; layer < 5; ++layer) {
    found.push_back(texture.Read(0, layer));
    wanted.push_back(Scene(32, 24));
    if (layer >= 1 && layer < 4) wanted.back().Fill({3, 2, 17, 11}, kOrange);
  }
  suite.Check(name, Stack(found), Stack(wanted));
}

// Some layers of an array, through framebuffers.
void Layers(Suite& suite) {
  Texture texture(GL_TEXTURE_2D_ARRAY, kRgba8Format, 48, 16, 4);
  for (uint32_t layer = 0; layer < 4; ++layer) texture.Clear(kTeal, 0, layer);
  texture.Clear(kGreen, 0, 3);
  texture.Clear(kOrange, 0, 1);
  suite.Check("clear-layers",
              Stack({texture.Read(0, 0), texture.Read(0, 1), texture.Read(0, 2),
                     texture.Read(0, 3)}),
              Stack({Solid(48, 16, kTeal), Solid(48, 16, kOrange),
                     Solid(48, 16, kTeal), Solid(48, 16, kGreen)}));
}

void Levels(Suite& suite) {
  Texture texture(kRgba8Format, 64, 64, 7);
  std::vector<Image> found;
  std::vector<Image> wanted;
  for (uint32_t level = 0; level < 7; ++level) texture.Clear(kTeal, level);
  for (const uint32_t level : {1, 3, 6}) texture.Clear(kOrange, level);
  for (uint32_t level = 0; level < 7; ++level) {
    found.push_back(texture.Read(level));
    wanted.push_back(
        Solid(64 >> level, 64 >> level,
              level == 1 || level == 3 || level == 6 ? kOrange : kTeal));
  }
  suite.Check("clear-levels", Stack(found), Stack(wanted));
}

// What was there before and may be forgotten, then a clear; and a depth buffer
// that may be forgotten afterwards.
void Invalidated(Suite& suite) {
  const Texture color(Scene(64, 48));
  const Texture depth(
      {GL_DEPTH_COMPONENT16, GL_DEPTH_COMPONENT, GL_UNSIGNED_SHORT, 2}, 64, 48);
  {
    const Framebuffer framebuffer(
        GL_FRAMEBUFFER,
        {{GL_COLOR_ATTACHMENT0, color}, {GL_DEPTH_ATTACHMENT, depth}});
    const GLenum both[] = {GL_COLOR_ATTACHMENT0, GL_DEPTH_ATTACHMENT};
    glInvalidateFramebuffer(GL_FRAMEBUFFER, 2, both);
    const std::array<float, 4> violet = FloatColor(kViolet);
    glClearColor(violet[0], violet[1], violet[2], violet[3]);
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
    glInvalidateFramebuffer(GL_FRAMEBUFFER, 1, &both[1]);
  }
  suite.Check("clear-invalidated", color.Read(), Solid(64, 48, kViolet));
}

// The last of several clears counts.
void Repeated(Suite& suite) {
  Texture texture(kRgba8Format, 64, 48);
  const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                {{GL_COLOR_ATTACHMENT0, texture}});
  for (const Rgba8& color : {kTeal, kOrange, kGreen}) {
    glClearBufferfv(GL_COLOR, 0, FloatColor(color).data());
  }
  suite.Check("clear-repeated", texture.Read(), Solid(64, 48, kGreen));
}

}  // namespace

void CheckGlesClears(Suite& suite) {
  SolidColor(suite);
  OddSize(suite);
  ManyBins(suite);
  SeveralTargets(suite);
  OneOfTwoTargets(suite);
  Boxes(suite);
  Volume(suite, GL_TEXTURE_2D_ARRAY, "clear-box-of-layers");
  Volume(suite, GL_TEXTURE_3D, "clear-box-of-slices");
  Layers(suite);
  Levels(suite);
  Invalidated(suite);
  Repeated(suite);
}

}  // namespace nacre::guest
