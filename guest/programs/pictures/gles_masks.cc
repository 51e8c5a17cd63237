// Clears with write masks that leave out all of a target, of depth or of
// stencil, or what a target has not: others Mesa does with draws. And queries
// around them.

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"

namespace nacre::guest {
namespace {

constexpr uint32_t kWidth = 48;
constexpr uint32_t kHeight = 30;
constexpr Rgba8 kTeal = {12, 130, 140, 255};

void ClearTo(const Rgba8& color, float depth, GLint stencil, GLbitfield mask) {
  const std::array<float, 4> floats = FloatColor(color);
  glClearColor(floats[0], floats[1], floats[2], floats[3]);
  glClearDepthf(depth);
  glClearStencil(stencil);
  glClear(mask);
  CheckGl("glClear with masks");
}

void MaskedTarget(Suite& suite) {
  const Image scene = Scene(kWidth, kHeight);
  const Texture first(scene);
  const Texture second(scene);
  const Texture third(scene);
  {
    const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                  {{GL_COLOR_ATTACHMENT0, first},
                                   {GL_COLOR_ATTACHMENT1, second},
                                   {GL_COLOR_ATTACHMENT2, third}});
    glColorMaski(1, GL_FALSE, GL_FALSE, GL_FALSE, GL_FALSE);
    ClearTo(kTeal, 0, 0, GL_COLOR_BUFFER_BIT);
    glColorMask(GL_TRUE, GL_TRUE, GL_TRUE, GL_TRUE);
  }
  const Image cleared = Solid(kWidth, kHeight, kTeal);
  suite.Check("clear-masked-target",
              Stack({first.Read(), second.Read(), third.Read()}),
              Stack({cleared, scene, cleared}));
}

// The mask has all channels that there are.
template <typename Pixel>
void MaskedChannels(Suite& suite, const char* name, const GlesFormat& format,
                    GLboolean green, const Pixel& pixel, Shade shade) {
  const Texture texture(Weave(kWidth, kHeight, format.bytes, 5), format);
  {
    const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                  {{GL_COLOR_ATTACHMENT0, texture}});
    glColorMask(GL_TRUE, green, GL_FALSE, GL_FALSE);
    ClearTo(kTeal, 0, 0, GL_COLOR_BUFFER_BIT);
    glColorMask(GL_TRUE, GL_TRUE, GL_TRUE, GL_TRUE);
  }
  suite.Check(name, texture.Read(), Solid(kWidth, kHeight, pixel), shade);
}

void MaskedDepth(Suite& suite) {
  const GlesFormat depth16 = {GL_DEPTH_COMPONENT16, GL_DEPTH_COMPONENT,
                              GL_UNSIGNED_SHORT, 2};
  const Image weave = Weave(kWidth, kHeight, 2, 6);
  const Texture color(Scene(kWidth, kHeight));
  const Texture depth(weave, depth16);
  {
    const Framebuffer framebuffer(
        GL_FRAMEBUFFER,
        {{GL_COLOR_ATTACHMENT0, color}, {GL_DEPTH_ATTACHMENT, depth}});
    glDepthMask(GL_FALSE);
    ClearTo(kTeal, 0.5f, 0, GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
    glDepthMask(GL_TRUE);
  }
  suite.Check("clear-masked-depth-color", color.Read(),
              Solid(kWidth, kHeight, kTeal));
  suite.Check("clear-masked-depth", depth.Read(), weave, ShadeR16);
}

// Of depth with stencil, read together: the bytes of stencil are the fifth
// ones.
void MaskedStencil(Suite& suite) {
  const GlesFormat both = {GL_DEPTH32F_STENCIL8, GL_DEPTH_STENCIL,
                           GL_FLOAT_32_UNSIGNED_INT_24_8_REV, 8};
  const Texture texture(both, kWidth, kHeight);
  const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                {{GL_DEPTH_STENCIL_ATTACHMENT, texture}});
  constexpr GLbitfield kBoth = GL_DEPTH_BUFFER_BIT | GL_STENCIL_BUFFER_BIT;
  ClearTo(kTeal, 0.25f, 77, kBoth);
  glStencilMask(0);
  ClearTo(kTeal, 0.75f, 200, kBoth);
  glStencilMask(~0u);
  const Image found = texture.Read();
  Image depth(kWidth, kHeight, 4);
  Image stencil(kWidth, kHeight, 1);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kWidth; ++x) {
      std::memcpy(depth.at(x, y), found.at(x, y), 4);
      std::memcpy(stencil.at(x, y), found.at(x, y) + 4, 1);
    }
  }
  suite.Check("clear-masked-stencil-depth", depth,
              Solid(kWidth, kHeight, 0.75f), ShadeR32f);
  suite.Check("clear-masked-stencil", stencil,
              Solid(kWidth, kHeight, uint8_t{77}), ShadeR8);
}

// A clear is nothing that a query of samples counts.
void Query(Suite& suite) {
  Texture texture(kRgba8Format, kWidth, kHeight);
  GLuint query = 0;
  glGenQueries(1, &query);
  glBeginQuery(GL_ANY_SAMPLES_PASSED, query);
  texture.Clear(kTeal);
  glEndQuery(GL_ANY_SAMPLES_PASSED);
  GLuint passed = 1;
  glGetQueryObjectuiv(query, GL_QUERY_RESULT, &passed);
  glDeleteQueries(1, &query);
  CheckGl("a query");
  suite.CheckFact("query-no-samples-passed", passed == 0,
                  "GL_ANY_SAMPLES_PASSED is " + std::to_string(passed));
}

}  // namespace

void CheckGlesMasks(Suite& suite) {
  MaskedTarget(suite);
  MaskedChannels(suite, "clear-masked-r8", {GL_R8, GL_RED, GL_UNSIGNED_BYTE, 1},
                 GL_FALSE, kTeal[0], ShadeR8);
  MaskedChannels(suite, "clear-masked-rg8",
                 {GL_RG8, GL_RG, GL_UNSIGNED_BYTE, 2}, GL_TRUE,
                 std::array<uint8_t, 2>{kTeal[0], kTeal[1]}, ShadeRg8);
  MaskedDepth(suite);
  MaskedStencil(suite);
  Query(suite);
}

}  // namespace nacre::guest
