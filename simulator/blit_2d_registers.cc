#include "simulator/blit_2d_registers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "simulator/pm4.h"
#include "simulator/small_float.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kBlitControl = 0x8c00;  // RB_2D_BLIT_CNTL
constexpr uint32_t kPartialWrite = 0x8c01;
constexpr uint32_t kDestination = 0x8c17;  // INFO, address, PITCH.
constexpr uint32_t kSolidColor = 0x8c2c;
constexpr uint32_t kSourceRect = 0x8401;  // TL_X, BR_X, TL_Y, BR_Y.
constexpr uint32_t kTarget = 0x8405;      // TL, BR.
constexpr uint32_t kScissor = 0x840a;     // GRAS_2D_RESOLVE_CNTL: TL, BR.
constexpr uint32_t kWindowOffset = 0x8890;
constexpr uint32_t kSourceA6xx = 0xb4c0;  // INFO, SIZE, address, PITCH.
constexpr uint32_t kSourceA7xx = 0xb2c0;
constexpr uint32_t kSourceControlA7xx = 0xb2d2;  // TPL1_2D_SRC_CNTL

// a6xx_2d_ifmt: what flows between source and destination, in which the color
// of a fill is given. For copies it adds nothing to the formats of both: it is
// never narrower than the destination's, as drivers set it.
enum InternalFormat : uint32_t {
  kUnorm8Srgb = 0x01,
  kFloat16 = 0x03,
  kFloat32 = 0x04,
  kInt8 = 0x05,
  kInt16 = 0x06,
  kInt32 = 0x07,
  kUnorm8 = 0x10,
};

// Values of RB_2D_UNKNOWN_8C01 with which Mesa writes depth or stencil alone.
constexpr uint32_t kDepthOnly = 0x08000041;
constexpr uint32_t kStencilOnly = 0x00084001;

BlitNotKnown UnknownFormat(const char* direction, uint32_t code) {
  return {absl::StrCat(direction, " format 0x", absl::Hex(code))};
}

// Both corners are inclusive (a6xx_reg_xy).
Rect RectOf(uint32_t top_left, uint32_t bottom_right) {
  return {.x = static_cast<int32_t>(Field(top_left, 13, 0)),
          .y = static_cast<int32_t>(Field(top_left, 29, 16)),
          .x_end = static_cast<int32_t>(Field(bottom_right, 13, 0)) + 1,
          .y_end = static_cast<int32_t>(Field(bottom_right, 29, 16)) + 1};
}

Rect Intersect(const Rect& a, const Rect& b) {
  return {.x = std::max(a.x, b.x),
          .y = std::max(a.y, b.y),
          .x_end = std::min(a.x_end, b.x_end),
          .y_end = std::min(a.y_end, b.y_end)};
}

// A source coordinate: 17 bits with sign and 8 of fraction.
int32_t Coordinate(uint32_t value) {
  return static_cast<int32_t>(value << 7) >> 7;
}

PixelLayout LayoutOf(const Format& format, uint32_t info) {
  return {.format = &format,
          .swap = static_cast<Swap>(Field(info, 11, 10)),
          .srgb = Bit(info, 13)};
}

// The color of a fill. SNORM takes UNORM8 too, as signed bytes. What is stored
// as sRGB is given encoded, so that it is stored without another conversion.
Pixel FillColor(const RegisterFile& registers, uint32_t internal_format,
                const Format& format) {
  Pixel color;
  for (uint32_t i = 0; i < color.size(); ++i) {
    const uint32_t value = registers.Read(kSolidColor + i);
    switch (internal_format) {
      case kUnorm8:
      case kUnorm8Srgb:
        color[i] =
            format.type == ChannelType::kSnorm
                ? AsBits(static_cast<float>(static_cast<int8_t>(value & 0xff)) /
                         127)
                : AsBits(static_cast<float>(value & 0xff) / 255);
        break;
      case kFloat16:
        color[i] = AsBits(DecodeHalf(value & 0xffff));
        break;
      default:
        color[i] = value;
        break;
    }
  }
  return color;
}

class Reader {
 public:
  Reader(const RegisterFile& registers, Generation generation,
         const GpuMemory& memory)
      : registers_(registers), generation_(generation), memory_(memory) {}

  std::variant<Blit2d, BlitNotKnown> Read() {
    Blit2d blit;
    if (auto missing = ReadDestination(blit)) return *std::move(missing);
    if (blit.is_fill) {
      blit.color = FillColor(registers_, internal_format_,
                             *blit.destination.layout.format);
      blit.destination.layout.srgb = false;
      return blit;
    }
    if (auto missing = ReadSource(blit)) return *std::move(missing);
    return blit;
  }

 private:
  using Missing = std::optional<BlitNotKnown>;

  Missing ReadDestination(Blit2d& blit) {
    const uint32_t control = registers_.Read(kBlitControl);
    blit.rotation = static_cast<Rotation>(Field(control, 2, 0));
    if (blit.rotation > Rotation::kFlipY) return BlitNotKnown{"rotation"};
    blit.is_fill = Bit(control, 7);
    const bool scissor = Bit(control, 16);
    blit.channels = Field(control, 23, 20);
    internal_format_ = Field(control, 28, 24);

    const uint32_t info = registers_.Read(kDestination);
    const Format* format = FindFormat(Field(info, 7, 0));
    if (format == nullptr) return UnknownFormat("to", Field(info, 7, 0));
    if (Field(info, 15, 14) != 0) return BlitNotKnown{"to several samples"};
    switch (internal_format_) {
      case kUnorm8:
      case kUnorm8Srgb:
      case kFloat16:
      case kFloat32:
        format = &AsUnorm(*format);
        if (format->numeric() != Numeric::kFloat) return NoConversion();
        break;
      case kInt8:
      case kInt16:
      case kInt32:
        if (format->numeric() == Numeric::kFloat) return NoConversion();
        break;
      default:
        return BlitNotKnown{"internal format"};
    }
    blit.destination = {
        .iova = registers_.Read64(kDestination + 1) & ~uint64_t{63},
        .pitch = Field(registers_.Read(kDestination + 3), 15, 0) << 6,
        .layout = LayoutOf(*format, info)};

    switch (registers_.Read(kPartialWrite)) {
      case 0:
        break;
      case kDepthOnly:
        blit.kept_bytes = 0x8;
        break;
      case kStencilOnly:
        blit.kept_bytes = 0x7;
        break;
      default:
        return BlitNotKnown{"RB_2D_UNKNOWN_8C01"};
    }
    if (blit.kept_bytes != 0 && format->bytes != 4) {
      return BlitNotKnown{"RB_2D_UNKNOWN_8C01"};
    }

    blit.target =
        RectOf(registers_.Read(kTarget), registers_.Read(kTarget + 1));
    blit.visible = blit.target;
    if (scissor) {
      blit.visible = Intersect(
          blit.target,
          RectOf(registers_.Read(kScissor), registers_.Read(kScissor + 1)));
    }
    return std::nullopt;
  }

  Missing ReadSource(Blit2d& blit) {
    const bool a7xx = generation_ == Generation::kA7xx;
    const uint32_t base = a7xx ? kSourceA7xx : kSourceA6xx;
    const uint32_t info = registers_.Read(base);
    const Format* format = FindFormat(Field(info, 7, 0));
    if (format == nullptr) return UnknownFormat("from", Field(info, 7, 0));
    const Numeric numeric = blit.destination.layout.format->numeric();
    if (numeric == Numeric::kFloat) format = &AsUnorm(*format);
    if (format->numeric() != numeric) return NoConversion();

    const uint32_t pitch = registers_.Read(base + 4);
    blit.source = {
        .iova = registers_.Read64(base + 2) & ~uint64_t{15},
        .pitch = a7xx ? Field(pitch, 23, 3) : Field(pitch, 23, 9) << 6,
        .layout = LayoutOf(*format, info),
        .samples = SampleCount(Field(info, 15, 14))};
    if (a7xx) {
      const uint32_t control = registers_.Read(kSourceControlA7xx);
      if (Bit(control, 0)) return BlitNotKnown{"RAW_COPY"};
      const uint32_t start_texels = Field(control, 21, 16);
      blit.source.iova +=
          uint64_t{start_texels} * blit.source.bytes_per_pixel();
    }
    if (memory_.IsGmem(blit.source.iova)) {
      // GMEM holds one tile of the picture. Drivers tell RB, SP and TPL1 where
      // it is, not all of them on every chip, but always the same.
      const uint32_t offset = registers_.Read(kWindowOffset);
      blit.source.iova -=
          uint64_t{Field(offset, 29, 16)} * blit.source.pitch +
          uint64_t{Field(offset, 13, 0)} * blit.source.bytes_per_pixel();
    }
    const uint32_t size = registers_.Read(base + 1);
    blit.source_width = std::max(Field(size, 14, 0), 1u);
    blit.source_height = std::max(Field(size, 29, 15), 1u);
    // Neither means anything for integers.
    blit.linear = Bit(info, 16) && numeric == Numeric::kFloat;
    blit.average = Bit(info, 18) && numeric == Numeric::kFloat;

    constexpr int32_t kOne = 256;  // BR is inclusive.
    blit.source_x = Coordinate(registers_.Read(kSourceRect));
    blit.source_x_extent =
        Coordinate(registers_.Read(kSourceRect + 1)) - blit.source_x + kOne;
    blit.source_y = Coordinate(registers_.Read(kSourceRect + 2));
    blit.source_y_extent =
        Coordinate(registers_.Read(kSourceRect + 3)) - blit.source_y + kOne;
    if (blit.source_x_extent <= 0 || blit.source_y_extent <= 0) {
      return BlitNotKnown{"from an empty rectangle"};
    }
    return std::nullopt;
  }

  static BlitNotKnown NoConversion() {
    return {"between integers and other numbers"};
  }

  const RegisterFile& registers_;
  const Generation generation_;
  const GpuMemory& memory_;
  uint32_t internal_format_ = 0;
};

}  // namespace

std::variant<Blit2d, BlitNotKnown> ReadBlit2d(const RegisterFile& registers,
                                              Generation generation,
                                              const GpuMemory& memory) {
  return Reader(registers, generation, memory).Read();
}

}  // namespace nacre::simulator
