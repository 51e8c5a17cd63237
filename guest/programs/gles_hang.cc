// A GPU hang as GLES applications see it (EGL_EXT_create_context_robustness).
// GLES gives no way to wait for something that never comes, so this clears a
// picture that is so large that the driver takes the GPU for hung: run it where
// the GPU is slow (nacre --gpu-megabytes-per-second=20).
//
// The context that did it must hear of it no later than glFinish returns; one
// made afterwards works. A second process draws meanwhile, must hear of
// nothing, and must find its pixels right in every frame.
//
// Ends with one line `gles_hang: ok ...`. Exits with 0, or 1 after a line that
// says what failed, or 2 for a wrong flag.

#include <GLES3/gl3.h>
// After gl3.h, whose types it uses.
#include <GLES2/gl2ext.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "guest/programs/bystander.h"
#include "guest/programs/report.h"
#include "guest/programs/surfaceless_egl.h"

namespace nacre::guest {
namespace {

// A picture to clear.
class Target {
 public:
  explicit Target(uint32_t size) : size_(static_cast<GLsizei>(size)) {
    glGenRenderbuffers(1, &renderbuffer_);
    glBindRenderbuffer(GL_RENDERBUFFER, renderbuffer_);
    glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, size_, size_);
    glGenFramebuffers(1, &framebuffer_);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
    glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
                              GL_RENDERBUFFER, renderbuffer_);
    const GLenum status = glCheckFramebufferStatus(GL_FRAMEBUFFER);
    if (status != GL_FRAMEBUFFER_COMPLETE) {
      Fail("the framebuffer is not complete: 0x%04x", status);
    }
  }
  ~Target() {
    glDeleteFramebuffers(1, &framebuffer_);
    glDeleteRenderbuffers(1, &renderbuffer_);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  void Clear(uint8_t shade) const {
    glClearColor(static_cast<float>(shade) / 255.0f, 0.0f, 1.0f, 1.0f);
    glClear(GL_COLOR_BUFFER_BIT);
  }

  // Clears it and reads it back.
  void ClearAndCheck(uint8_t shade) const {
    Clear(shade);
    std::vector<uint8_t> pixels(size_t{4} * size_ * size_, 0x80);
    glReadPixels(0, 0, size_, size_, GL_RGBA, GL_UNSIGNED_BYTE, pixels.data());
    const GLenum error = glGetError();
    if (error != GL_NO_ERROR) Fail("clearing: GL error 0x%04x", error);
    for (size_t i = 0; i < pixels.size(); i += 4) {
      if (pixels[i] != shade || pixels[i + 1] != 0 || pixels[i + 2] != 255 ||
          pixels[i + 3] != 255) {
        Fail("pixel %zu is %d %d %d %d, not %d 0 255 255", i / 4, pixels[i],
             pixels[i + 1], pixels[i + 2], pixels[i + 3], shade);
      }
    }
  }

 private:
  const GLsizei size_;
  GLuint renderbuffer_ = 0;
  GLuint framebuffer_ = 0;
};

constexpr uint32_t kSmall = 64;

void ExpectNoReset(const SurfacelessEgl& egl, const char* when) {
  const GLenum status = egl.ResetStatus();
  if (status != GL_NO_ERROR) Fail("reset status 0x%04x %s", status, when);
}

void DrawMeanwhile(Bystander::Question question) {
  const SurfacelessEgl egl;
  const Target target(kSmall);
  uint32_t frames = 0;
  do {
    target.ClearAndCheck(static_cast<uint8_t>(frames));
    ExpectNoReset(egl, "of the process that did nothing wrong");
    ++frames;
  } while (question.GoesOn());
  std::printf("gles_hang: the bystander drew %u frames\n", frames);
}

void Hang(uint32_t size) {
  const SurfacelessEgl egl;
  {
    const Target small(kSmall);
    small.ClearAndCheck(1);
    ExpectNoReset(egl, "before the hang");
  }
  const Target large(size);
  large.Clear(2);
  glFinish();
  const GLenum status = egl.ResetStatus();
  if (status != GL_GUILTY_CONTEXT_RESET_EXT) {
    Fail(
        "reset status 0x%04x after the hang, not GL_GUILTY_CONTEXT_RESET "
        "(0x%04x); is the GPU slow enough?",
        status, GL_GUILTY_CONTEXT_RESET_EXT);
  }
  // Mesa says so twice; then the reset is over.
  for (int i = 0; i < 2 && egl.ResetStatus() != GL_NO_ERROR; ++i) continue;
  ExpectNoReset(egl, "when the reset must be over");
}

int Main(int argc, char** argv) {
  uint32_t size = 2048;
  const Flag flags[] = {{"size", &size, 64, 16384}, {nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);

  Bystander bystander(DrawMeanwhile);
  const auto start = std::chrono::steady_clock::now();
  Hang(size);
  const auto milliseconds = static_cast<int>(MillisecondsSince(start));
  {
    const SurfacelessEgl egl;
    const Target target(kSmall);
    target.ClearAndCheck(3);
    ExpectNoReset(egl, "of a context made after the hang");
  }
  bystander.Finish();
  std::printf("gles_hang: ok milliseconds=%d\n", milliseconds);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
