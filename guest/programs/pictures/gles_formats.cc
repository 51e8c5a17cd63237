// Clears of targets of every kind of number.

#include "guest/programs/pictures/gles_cases.h"
#include "guest/programs/pictures/gles_objects.h"

namespace nacre::guest {
namespace {

constexpr uint32_t kWidth = 50;
constexpr uint32_t kHeight = 30;

template <typename Pixel, typename Clear>
void Check(Suite& suite, const char* name, const GlesFormat& format,
           const Pixel& pixel, Shade shade, Clear clear) {
  const Texture texture(format, kWidth, kHeight);
  {
    const Framebuffer framebuffer(GL_FRAMEBUFFER,
                                  {{GL_COLOR_ATTACHMENT0, texture}});
    clear();
  }
  suite.Check(name, texture.Read(), Solid(kWidth, kHeight, pixel), shade);
}

template <typename Pixel>
void CheckFloat(Suite& suite, const char* name, const GlesFormat& format,
                const std::array<float, 4>& color, const Pixel& pixel,
                Shade shade) {
  Check(suite, name, format, pixel, shade,
        [&] { glClearBufferfv(GL_COLOR, 0, color.data()); });
}

template <typename Pixel>
void CheckInt(Suite& suite, const char* name, const GlesFormat& format,
              const std::array<int32_t, 4>& color, const Pixel& pixel,
              Shade shade) {
  Check(suite, name, format, pixel, shade,
        [&] { glClearBufferiv(GL_COLOR, 0, color.data()); });
}

template <typename Pixel>
void CheckUint(Suite& suite, const char* name, const GlesFormat& format,
               const std::array<uint32_t, 4>& color, const Pixel& pixel,
               Shade shade) {
  Check(suite, name, format, pixel, shade,
        [&] { glClearBufferuiv(GL_COLOR, 0, color.data()); });
}

void Norms(Suite& suite) {
  // sRGB of linear 0.25 is 0.5371, of 0.5 is 0.7354, of 0.0025 is 0.0323.
  CheckFloat(suite, "clear-srgb8-alpha8",
             {GL_SRGB8_ALPHA8, GL_RGBA, GL_UNSIGNED_BYTE, 4},
             {0.25f, 0.5f, 0.0025f, 0.4f}, Rgba8{137, 188, 8, 102}, ShadeRgba8);
  CheckFloat(suite, "clear-rgb10-a2",
             {GL_RGB10_A2, GL_RGBA, GL_UNSIGNED_INT_2_10_10_10_REV, 4},
             {1000.f / 1023, 517.f / 1023, 3.f / 1023, 1.f / 3},
             uint32_t{1000 | 517 << 10 | 3 << 20 | 1 << 30}, ShadeA2B10G10R10);
  CheckFloat(suite, "clear-rgb565",
             {GL_RGB565, GL_RGB, GL_UNSIGNED_SHORT_5_6_5, 2},
             {30.f / 31, 17.f / 63, 5.f / 31, 1},
             static_cast<uint16_t>(30 << 11 | 17 << 5 | 5), ShadeR5G6B5);
  CheckFloat(suite, "clear-r8", {GL_R8, GL_RED, GL_UNSIGNED_BYTE, 1},
             {99.f / 255, 1, 1, 1}, uint8_t{99}, ShadeR8);
  CheckFloat(suite, "clear-rg8", {GL_RG8, GL_RG, GL_UNSIGNED_BYTE, 2},
             {99.f / 255, 201.f / 255, 1, 1}, std::array<uint8_t, 2>{99, 201},
             ShadeRg8);
}

void Floats(Suite& suite) {
  // 0.5, 0.25, 1 and 0.75 as halves.
  CheckFloat(suite, "clear-rgba16f", {GL_RGBA16F, GL_RGBA, GL_HALF_FLOAT, 8},
             {0.5f, 0.25f, 1, 0.75f},
             std::array<uint16_t, 4>{0x3800, 0x3400, 0x3c00, 0x3a00},
             ShadeRgba16f);
  CheckFloat(suite, "clear-rgba32f", {GL_RGBA32F, GL_RGBA, GL_FLOAT, 16},
             {0.1f, 0.9f, -3.5e20f, 0.75f},
             std::array<float, 4>{0.1f, 0.9f, -3.5e20f, 0.75f}, ShadeRgba32f);
  CheckFloat(suite, "clear-r32f", {GL_R32F, GL_RED, GL_FLOAT, 4},
             {0.625f, 0, 0, 0}, 0.625f, ShadeR32f);
}

void Integers(Suite& suite) {
  CheckUint(suite, "clear-rgba8ui",
            {GL_RGBA8UI, GL_RGBA_INTEGER, GL_UNSIGNED_BYTE, 4},
            {200, 0, 255, 77}, Rgba8{200, 0, 255, 77}, ShadeRgba8);
  CheckInt(suite, "clear-rgba8i", {GL_RGBA8I, GL_RGBA_INTEGER, GL_BYTE, 4},
           {-128, 127, -1, 5}, std::array<int8_t, 4>{-128, 127, -1, 5},
           ShadeRgba8);
  CheckUint(suite, "clear-rgba16ui",
            {GL_RGBA16UI, GL_RGBA_INTEGER, GL_UNSIGNED_SHORT, 8},
            {65535, 1, 40000, 258},
            std::array<uint16_t, 4>{65535, 1, 40000, 258}, ShadeRgba16);
  CheckInt(suite, "clear-rgba16i", {GL_RGBA16I, GL_RGBA_INTEGER, GL_SHORT, 8},
           {-32768, 32767, -2, 9}, std::array<int16_t, 4>{-32768, 32767, -2, 9},
           ShadeRgba16);
  CheckUint(suite, "clear-rgba32ui",
            {GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT, 16},
            {0xffffffff, 0x80000000, 0x12345678, 7},
            std::array<uint32_t, 4>{0xffffffff, 0x80000000, 0x12345678, 7},
            ShadeRgba32);
  CheckInt(suite, "clear-r32i", {GL_R32I, GL_RED_INTEGER, GL_INT, 4},
           {-1234567890, 0, 0, 0}, int32_t{-1234567890}, ShadeR32);
  CheckUint(suite, "clear-rgb10-a2ui",
            {GL_RGB10_A2UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT_2_10_10_10_REV, 4},
            {1023, 512, 1, 2}, 1023u | 512u << 10 | 1u << 20 | 2u << 30,
            ShadeA2B10G10R10);
}

}  // namespace

void CheckGlesFormats(Suite& suite) {
  Norms(suite);
  Floats(suite);
  Integers(suite);
}

}  // namespace nacre::guest
