// Uploads and readback, also of rectangles of pictures in memory whose rows are
// longer. From and to buffer objects Mesa does both with draws.

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"
#include "guest/programs/report.h"

namespace nacre::guest {
namespace {

// There and back, every byte: for each kind of pixel.
void Kind(Suite& suite, const char* name, const GlesFormat& format,
          Shade shade) {
  const Image weave = Weave(51, 35, format.bytes, 6);
  const Texture texture(weave, format);
  suite.Check(name, texture.Read(), weave, shade);
}

void Kinds(Suite& suite) {
  Kind(suite, "upload-rgba8", kRgba8Format, ShadeRgba8);
  Kind(suite, "upload-r8", {GL_R8, GL_RED, GL_UNSIGNED_BYTE, 1}, ShadeR8);
  Kind(suite, "upload-rg8", {GL_RG8, GL_RG, GL_UNSIGNED_BYTE, 2}, ShadeRg8);
  Kind(suite, "upload-rgb565", {GL_RGB565, GL_RGB, GL_UNSIGNED_SHORT_5_6_5, 2},
       ShadeR5G6B5);
  Kind(suite, "upload-rgba16ui",
       {GL_RGBA16UI, GL_RGBA_INTEGER, GL_UNSIGNED_SHORT, 8}, ShadeRgba16);
  Kind(suite, "upload-rgba32ui",
       {GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT, 16}, ShadeRgba32);
  Kind(suite, "upload-depth16",
       {GL_DEPTH_COMPONENT16, GL_DEPTH_COMPONENT, GL_UNSIGNED_SHORT, 2},
       ShadeR16);
}

// So narrow that it is not tiled.
void Narrow(Suite& suite) {
  const Image weave = Weave(9, 40, 4, 2);
  const Texture texture(weave);
  suite.Check("upload-narrow", texture.Read(), weave);
}

void UnpackRowLength(Suite& suite) {
  const Image memory = Scene(71, 53);
  Image wanted = Weave(64, 48, 4, 9);
  const Texture texture(wanted);
  glPixelStorei(GL_UNPACK_ROW_LENGTH, 71);
  glPixelStorei(GL_UNPACK_SKIP_PIXELS, 13);
  glPixelStorei(GL_UNPACK_SKIP_ROWS, 4);
  glBindTexture(GL_TEXTURE_2D, texture.name());
  glTexSubImage2D(GL_TEXTURE_2D, 0, 5, 3, 47, 41, GL_RGBA, GL_UNSIGNED_BYTE,
                  memory.bytes().data());
  CheckGl("glTexSubImage2D");
  for (const GLenum name :
       {GL_UNPACK_ROW_LENGTH, GL_UNPACK_SKIP_PIXELS, GL_UNPACK_SKIP_ROWS}) {
    glPixelStorei(name, 0);
  }
  wanted.Copy(memory, {13, 4, 47, 41}, 5, 3);
  suite.Check("upload-row-length", texture.Read(), wanted);
}

// Reads a rectangle into the middle of a larger picture in memory.
void PackRowLength(Suite& suite) {
  const Image scene = Scene(64, 48);
  const Texture texture(scene);
  Image wanted = Weave(77, 50, 4, 10);
  Image found = wanted;
  glPixelStorei(GL_PACK_ROW_LENGTH, 77);
  glPixelStorei(GL_PACK_SKIP_PIXELS, 9);
  glPixelStorei(GL_PACK_SKIP_ROWS, 6);
  {
    const Framebuffer read(GL_READ_FRAMEBUFFER,
                           {{GL_COLOR_ATTACHMENT0, texture}});
    glReadPixels(11, 2, 43, 39, GL_RGBA, GL_UNSIGNED_BYTE,
                 found.bytes().data());
  }
  CheckGl("glReadPixels");
  for (const GLenum name :
       {GL_PACK_ROW_LENGTH, GL_PACK_SKIP_PIXELS, GL_PACK_SKIP_ROWS}) {
    glPixelStorei(name, 0);
  }
  wanted.Copy(scene, {11, 2, 43, 39}, 9, 6);
  suite.Check("read-row-length", found, wanted);
}

void Volumes(Suite& suite) {
  const struct {
    GLenum target;
    const char* name;
  } kinds[] = {{GL_TEXTURE_2D_ARRAY, "upload-layers"},
               {GL_TEXTURE_3D, "upload-slices"}};
  for (const auto& [target, name] : kinds) {
    Texture texture(target, kRgba8Format, 40, 20, 3);
    std::vector<Image> found;
    std::vector<Image> wanted;
    for (uint32_t layer = 0; layer < 3; ++layer) {
      wanted.push_back(Weave(40, 20, 4, layer));
      texture.Upload(wanted.back(), 0, layer);
    }
    texture.Upload(Scene(21, 16), 0, 1, 9, 2);
    wanted[1].Copy(Scene(21, 16), 9, 2);
    for (uint32_t layer = 0; layer < 3; ++layer) {
      found.push_back(texture.Read(0, layer));
    }
    suite.Check(name, Stack(found), Stack(wanted));
  }
}

void Levels(Suite& suite) {
  Texture texture(kRgba8Format, 64, 32, 7);
  std::vector<Image> found;
  std::vector<Image> wanted;
  for (uint32_t level = 0; level < 7; ++level) {
    wanted.push_back(
        Weave(texture.width(level), texture.height(level), 4, level));
    texture.Upload(wanted.back(), level);
  }
  for (uint32_t level = 0; level < 7; ++level) {
    found.push_back(texture.Read(level));
  }
  suite.Check("upload-levels", Stack(found), Stack(wanted));
}

// A buffer object to another one, at odd offsets.
void Buffers(Suite& suite) {
  const Image weave = Weave(64, 16, 1, 11);
  Image wanted = Weave(64, 16, 1, 12);
  GLuint buffers[2] = {};
  glGenBuffers(2, buffers);
  const GLenum targets[2] = {GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER};
  const Image* const contents[2] = {&weave, &wanted};
  for (size_t i = 0; i < 2; ++i) {
    glBindBuffer(targets[i], buffers[i]);
    glBufferData(targets[i], 1024, contents[i]->bytes().data(), GL_STATIC_DRAW);
  }
  glCopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 13, 101, 777);
  const void* mapped =
      glMapBufferRange(GL_COPY_WRITE_BUFFER, 0, 1024, GL_MAP_READ_BIT);
  if (mapped == nullptr) Fail("glMapBufferRange returned nothing");
  Image found(64, 16, 1);
  std::memcpy(found.bytes().data(), mapped, 1024);
  glUnmapBuffer(GL_COPY_WRITE_BUFFER);
  glDeleteBuffers(2, buffers);
  CheckGl("glCopyBufferSubData");
  std::memcpy(&wanted.bytes()[101], &weave.bytes()[13], 777);
  suite.Check("copy-buffer", found, wanted, ShadeR8);
}

}  // namespace

void CheckGlesUploads(Suite& suite) {
  Kinds(suite);
  Narrow(suite);
  UnpackRowLength(suite);
  PackRowLength(suite);
  Volumes(suite);
  Levels(suite);
  Buffers(suite);
}

}  // namespace nacre::guest
