// Renders frames with surfaceless EGL and GLES 3, using the driver's kernel
// interface as applications do: each frame allocates and releases a buffer and
// a texture, waits for a native fence, and reads its pixels back. Every result
// is checked; the pixels' values are not.
//
// Prints `GL_RENDERER: ...` and `GL_VERSION: ...` and ends with one line
// `gles_frames: ok frames=N ...`. Exits with 0, or 1 after a line that says
// what failed, or 2 for a wrong flag.

#include <GLES3/gl3.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "guest/programs/report.h"
#include "guest/programs/surfaceless_egl.h"

namespace nacre::guest {
namespace {

constexpr char kVertexShader[] = R"(#version 300 es
layout(location = 0) in vec2 position;
out vec2 texture_position;
void main() {
  texture_position = position * 0.5 + 0.5;
  gl_Position = vec4(position, 0.0, 1.0);
}
)";

constexpr char kFragmentShader[] = R"(#version 300 es
precision mediump float;
uniform sampler2D image;
in vec2 texture_position;
out vec4 color;
void main() { color = texture(image, texture_position); }
)";

constexpr float kTriangle[] = {-0.8f, -0.8f, 0.8f, -0.8f, 0.0f, 0.8f};

struct Totals {
  uint32_t frames = 0;
  uint32_t fences = 0;
  uint32_t buffers_allocated = 0;
  uint32_t buffers_released = 0;
  uint32_t textures_allocated = 0;
  uint32_t textures_released = 0;
  uint64_t bytes_read_back = 0;
};

void CheckGl(const char* what) {
  const GLenum error = glGetError();
  if (error != GL_NO_ERROR) Fail("%s: GL error 0x%04x", what, error);
}

GLuint CompileShader(GLenum type, const char* source) {
  const GLuint shader = glCreateShader(type);
  glShaderSource(shader, 1, &source, nullptr);
  glCompileShader(shader);
  GLint compiled = GL_FALSE;
  glGetShaderiv(shader, GL_COMPILE_STATUS, &compiled);
  if (compiled != GL_TRUE) {
    char log[1024] = "";
    glGetShaderInfoLog(shader, sizeof(log), nullptr, log);
    Fail("glCompileShader: %s", log);
  }
  return shader;
}

GLuint LinkProgram() {
  const GLuint vertex = CompileShader(GL_VERTEX_SHADER, kVertexShader);
  const GLuint fragment = CompileShader(GL_FRAGMENT_SHADER, kFragmentShader);
  const GLuint program = glCreateProgram();
  glAttachShader(program, vertex);
  glAttachShader(program, fragment);
  glLinkProgram(program);
  GLint linked = GL_FALSE;
  glGetProgramiv(program, GL_LINK_STATUS, &linked);
  if (linked != GL_TRUE) {
    char log[1024] = "";
    glGetProgramInfoLog(program, sizeof(log), nullptr, log);
    Fail("glLinkProgram: %s", log);
  }
  glDeleteShader(vertex);
  glDeleteShader(fragment);
  return program;
}

// The picture that all frames are drawn to, and the program that draws.
class Scene {
 public:
  explicit Scene(uint32_t size)
      : size_(static_cast<GLsizei>(size)),
        pixels_(size_t{4} * size * size, 0x80),
        program_(LinkProgram()) {
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
    glViewport(0, 0, size_, size_);
    glUseProgram(program_);
    glEnableVertexAttribArray(0);
    CheckGl("setting up the scene");
  }

  ~Scene() {
    glDeleteFramebuffers(1, &framebuffer_);
    glDeleteRenderbuffers(1, &renderbuffer_);
    glDeleteProgram(program_);
    glFinish();
    CheckGl("releasing the scene");
  }

  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  void DrawFrame(const SurfacelessEgl& egl, Totals& totals) {
    GLuint buffer = 0;
    glGenBuffers(1, &buffer);
    glBindBuffer(GL_ARRAY_BUFFER, buffer);
    glBufferData(GL_ARRAY_BUFFER, sizeof(kTriangle), kTriangle, GL_STATIC_DRAW);
    ++totals.buffers_allocated;
    GLuint texture = 0;
    glGenTextures(1, &texture);
    glBindTexture(GL_TEXTURE_2D, texture);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, size_, size_, 0, GL_RGBA,
                 GL_UNSIGNED_BYTE, pixels_.data());
    ++totals.textures_allocated;
    CheckGl("allocating a buffer and a texture");

    const float shade = static_cast<float>(totals.frames % 256) / 255.0f;
    glClearColor(shade, 0.25f, 0.5f, 1.0f);
    glClear(GL_COLOR_BUFFER_BIT);
    glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, nullptr);
    glDrawArrays(GL_TRIANGLES, 0, 3);
    CheckGl("drawing");
    egl.FlushAndWait();
    ++totals.fences;

    glReadPixels(0, 0, size_, size_, GL_RGBA, GL_UNSIGNED_BYTE, pixels_.data());
    CheckGl("glReadPixels");
    totals.bytes_read_back += pixels_.size();

    glDeleteBuffers(1, &buffer);
    ++totals.buffers_released;
    glDeleteTextures(1, &texture);
    ++totals.textures_released;
    CheckGl("releasing a buffer and a texture");
    if (egl.ResetStatus() != GL_NO_ERROR) {
      Fail("the context was reset at frame %u", totals.frames);
    }
    ++totals.frames;
  }

 private:
  const GLsizei size_;
  std::vector<uint8_t> pixels_;
  const GLuint program_;
  GLuint renderbuffer_ = 0;
  GLuint framebuffer_ = 0;
};

int Main(int argc, char** argv) {
  uint32_t frames = 60;
  uint32_t size = 256;
  const Flag flags[] = {{"frames", &frames, 1, 1000000},
                        {"size", &size, 16, 4096},
                        {nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);

  const std::set<std::string> fds_before = OpenFds();
  Totals totals;
  int64_t milliseconds = 0;
  {
    const SurfacelessEgl egl;
    std::printf("GL_RENDERER: %s\nGL_VERSION: %s\n", glGetString(GL_RENDERER),
                glGetString(GL_VERSION));
    std::fflush(stdout);
    Scene scene(size);
    const auto start = std::chrono::steady_clock::now();
    while (totals.frames < frames) scene.DrawFrame(egl, totals);
    milliseconds = MillisecondsSince(start);
  }
  FailIfFdsLeaked(fds_before);
  std::printf(
      "gles_frames: ok frames=%u fences=%u buffers_allocated=%u "
      "buffers_released=%u textures_allocated=%u textures_released=%u "
      "bytes_read_back=%" PRIu64 " gl_errors=0 milliseconds=%" PRIi64 "\n",
      totals.frames, totals.fences, totals.buffers_allocated,
      totals.buffers_released, totals.textures_allocated,
      totals.textures_released, totals.bytes_read_back, milliseconds);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
