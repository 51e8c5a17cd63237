// Measures frames of GLES that cost the GPU next to nothing: small clears, each
// flushed with a native fence, and fresh buffers that miss Mesa's cache.
//
// Prints what usage.h says about --frames frames, after --warm-up others.
// tools/bench/suite.py has the shapes that tools/bench.sh measures. Exits with
// 0, or 1 after a line that says what failed, or 2 for a wrong flag.

#include <GLES3/gl3.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "guest/programs/bench/usage.h"
#include "guest/programs/report.h"
#include "guest/programs/surfaceless_egl.h"

namespace nacre::guest {
namespace {

// freedreno keeps released buffers for the next that asks for one as large, in
// buckets of up to 112 MiB; those of the GPU's smaller buffers are parts of
// larger ones. What is allocated here fits no bucket. Its pages are not there
// until they are used.
constexpr GLsizeiptr kUncachedBytes = 128 << 20;
constexpr GLsizei kPictureSize = 64;

struct FrameShape {
  // Flushes a frame.
  uint32_t submits = 1;
  // Frames that may be under way; with 1 each is waited for before the next.
  uint32_t under_way = 2;
  // Buffers that each frame allocates, maps, fills with `size` bytes, copies
  // and releases while the GPU has yet to use them.
  uint32_t fresh = 0;
  uint32_t size = 65536;
};

void CheckGl(const char* what) {
  const GLenum error = glGetError();
  if (error != GL_NO_ERROR) Fail("%s: GL error 0x%04x", what, error);
}

class GlesFrames {
 public:
  explicit GlesFrames(const FrameShape& shape)
      : shape_(shape), fences_(shape.under_way, -1) {
    glGenRenderbuffers(1, &renderbuffer_);
    glBindRenderbuffer(GL_RENDERBUFFER, renderbuffer_);
    glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, kPictureSize,
                          kPictureSize);
    glGenFramebuffers(1, &framebuffer_);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
    glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
                              GL_RENDERBUFFER, renderbuffer_);
    glGenBuffers(1, &target_);
    glBindBuffer(GL_COPY_WRITE_BUFFER, target_);
    glBufferData(GL_COPY_WRITE_BUFFER, shape.size, nullptr, GL_DYNAMIC_COPY);
    CheckGl("setting up the frames");
  }

  ~GlesFrames() {
    Finish();
    glDeleteBuffers(1, &target_);
    glDeleteFramebuffers(1, &framebuffer_);
    glDeleteRenderbuffers(1, &renderbuffer_);
    CheckGl("releasing what the frames used");
  }

  GlesFrames(const GlesFrames&) = delete;
  GlesFrames& operator=(const GlesFrames&) = delete;

  void Frame() {
    int& fence = fences_[frames_++ % fences_.size()];
    Wait(fence);
    for (uint32_t i = 0; i < shape_.fresh; ++i) UseFreshBuffer();
    for (uint32_t i = 1; i < shape_.submits; ++i) close(ClearAndFlush());
    fence = ClearAndFlush();
    CheckGl("a frame");
  }

  // Waits for those under way.
  void Finish() {
    for (int& fence : fences_) Wait(fence);
  }

 private:
  static void Wait(int& fence) {
    if (fence >= 0) SurfacelessEgl::Wait(fence);
    fence = -1;
  }

  void UseFreshBuffer() {
    const auto size = static_cast<GLsizeiptr>(shape_.size);
    GLuint buffer = 0;
    glGenBuffers(1, &buffer);
    glBindBuffer(GL_COPY_READ_BUFFER, buffer);
    glBufferData(GL_COPY_READ_BUFFER, kUncachedBytes, nullptr, GL_STREAM_DRAW);
    void* const bytes =
        glMapBufferRange(GL_COPY_READ_BUFFER, 0, size,
                         GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_BUFFER_BIT |
                             GL_MAP_UNSYNCHRONIZED_BIT);
    if (bytes == nullptr) Fail("glMapBufferRange: 0x%04x", glGetError());
    std::memset(bytes, static_cast<int>(frames_ & 0xff), shape_.size);
    glUnmapBuffer(GL_COPY_READ_BUFFER);
    glCopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, 0, size);
    glDeleteBuffers(1, &buffer);
  }

  int ClearAndFlush() {
    const float shade = static_cast<float>(frames_ % 256) / 255.0f;
    glClearColor(shade, 0.25f, 0.5f, 1.0f);
    glClear(GL_COLOR_BUFFER_BIT);
    return egl_.Flush();
  }

  const FrameShape shape_;
  const SurfacelessEgl egl_;
  std::vector<int> fences_;
  GLuint renderbuffer_ = 0;
  GLuint framebuffer_ = 0;
  GLuint target_ = 0;
  uint64_t frames_ = 0;
};

int Main(int argc, char** argv) {
  FrameShape shape;
  uint32_t frames = 300;
  uint32_t warm_up = 30;
  const Flag flags[] = {{"frames", &frames, 1, 10000000},
                        {"warm-up", &warm_up, 0, 10000000},
                        {"submits", &shape.submits, 1, 1024},
                        {"under-way", &shape.under_way, 1, 16},
                        {"fresh", &shape.fresh, 0, 8},
                        {"size", &shape.size, 4, 64 << 20},
                        {nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);
  GlesFrames context(shape);
  for (uint32_t frame = 0; frame < warm_up; ++frame) context.Frame();
  context.Finish();
  const Usage usage;
  for (uint32_t frame = 0; frame < frames; ++frame) context.Frame();
  context.Finish();
  usage.Print("gles_bench", frames, uint64_t{frames} * shape.submits);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
