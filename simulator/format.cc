#include "simulator/format.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "simulator/small_float.h"
#include "simulator/srgb.h"

namespace nacre::simulator {
namespace {

using enum ChannelType;

constexpr uint8_t k1555 = 0x0c;
constexpr uint8_t k9995 = 0x35;
constexpr uint8_t kZ24S8AsRgba8 = 0x91;
constexpr uint8_t kZ24S8 = 0xa0;
constexpr uint8_t kZ24UintS8 = 0xea;

constexpr Format kFormats[] = {
    {"A8_UNORM", 0x02, 1, kUnorm, {0, 0, 0, 8}},
    {"8_UNORM", 0x03, 1, kUnorm, {8}},
    {"8_SNORM", 0x04, 1, kSnorm, {8}},
    {"8_UINT", 0x05, 1, kUint, {8}},
    {"8_SINT", 0x06, 1, kSint, {8}},
    {"4_4_4_4_UNORM", 0x08, 2, kUnorm, {4, 4, 4, 4}},
    {"5_5_5_1_UNORM", 0x0a, 2, kUnorm, {5, 5, 5, 1}},
    {"1_5_5_5_UNORM", k1555, 2, kUnorm, {5, 5, 5, 1}},
    {"5_6_5_UNORM", 0x0e, 2, kUnorm, {5, 6, 5}},
    {"8_8_UNORM", 0x0f, 2, kUnorm, {8, 8}},
    {"8_8_SNORM", 0x10, 2, kSnorm, {8, 8}},
    {"8_8_UINT", 0x11, 2, kUint, {8, 8}},
    {"8_8_SINT", 0x12, 2, kSint, {8, 8}},
    {"16_UNORM", 0x15, 2, kUnorm, {16}},
    {"16_SNORM", 0x16, 2, kSnorm, {16}},
    {"16_FLOAT", 0x17, 2, kFloat, {16}},
    {"16_UINT", 0x18, 2, kUint, {16}},
    {"16_SINT", 0x19, 2, kSint, {16}},
    {"8_8_8_8_UNORM", 0x30, 4, kUnorm, {8, 8, 8, 8}},
    {"8_8_8_X8_UNORM", 0x31, 4, kUnorm, {8, 8, 8}},
    {"8_8_8_8_SNORM", 0x32, 4, kSnorm, {8, 8, 8, 8}},
    {"8_8_8_8_UINT", 0x33, 4, kUint, {8, 8, 8, 8}},
    {"8_8_8_8_SINT", 0x34, 4, kSint, {8, 8, 8, 8}},
    {"9_9_9_E5_FLOAT", k9995, 4, kFloat, {9, 9, 9}},
    {"10_10_10_2_UNORM", 0x36, 4, kUnorm, {10, 10, 10, 2}},
    {"10_10_10_2_UNORM_DEST", 0x37, 4, kUnorm, {10, 10, 10, 2}},
    {"10_10_10_2_UINT", 0x3a, 4, kUint, {10, 10, 10, 2}},
    {"11_11_10_FLOAT", 0x42, 4, kFloat, {11, 11, 10}},
    {"16_16_UNORM", 0x43, 4, kUnorm, {16, 16}},
    {"16_16_SNORM", 0x44, 4, kSnorm, {16, 16}},
    {"16_16_FLOAT", 0x45, 4, kFloat, {16, 16}},
    {"16_16_UINT", 0x46, 4, kUint, {16, 16}},
    {"16_16_SINT", 0x47, 4, kSint, {16, 16}},
    {"32_FLOAT", 0x4a, 4, kFloat, {32}},
    {"32_UINT", 0x4b, 4, kUint, {32}},
    {"32_SINT", 0x4c, 4, kSint, {32}},
    {"16_16_16_16_UNORM", 0x60, 8, kUnorm, {16, 16, 16, 16}},
    {"16_16_16_16_SNORM", 0x61, 8, kSnorm, {16, 16, 16, 16}},
    {"16_16_16_16_FLOAT", 0x62, 8, kFloat, {16, 16, 16, 16}},
    {"16_16_16_16_UINT", 0x63, 8, kUint, {16, 16, 16, 16}},
    {"16_16_16_16_SINT", 0x64, 8, kSint, {16, 16, 16, 16}},
    {"32_32_FLOAT", 0x67, 8, kFloat, {32, 32}},
    {"32_32_UINT", 0x68, 8, kUint, {32, 32}},
    {"32_32_SINT", 0x69, 8, kSint, {32, 32}},
    {"32_32_32_32_FLOAT", 0x82, 16, kFloat, {32, 32, 32, 32}},
    {"32_32_32_32_UINT", 0x83, 16, kUint, {32, 32, 32, 32}},
    {"32_32_32_32_SINT", 0x84, 16, kSint, {32, 32, 32, 32}},
    {"Z24_UNORM_S8_UINT_AS_R8G8B8A8", kZ24S8AsRgba8, 4, kUint, {8, 8, 8, 8}},
    {"Z24_UNORM_S8_UINT", kZ24S8, 4, kUint, {8, 8, 8, 8}},
    {"Z24_UINT_S8_UINT", kZ24UintS8, 4, kUint, {8, 8, 8, 8}},
};

constexpr auto kByCode = [] {
  std::array<const Format*, 256> by_code{};
  for (const Format& format : kFormats) by_code[format.code] = &format;
  return by_code;
}();

bool IsDepthStencil(const Format& format) {
  return format.code == kZ24S8AsRgba8 || format.code == kZ24S8 ||
         format.code == kZ24UintS8;
}

// Where a channel's lowest bit is in a pixel, counted from the first byte's.
std::array<int, 4> Positions(const PixelLayout& layout) {
  static constexpr uint8_t kOrders[4][4] = {
      {0, 1, 2, 3}, {2, 1, 0, 3}, {3, 0, 1, 2}, {3, 2, 1, 0}};
  size_t order = static_cast<size_t>(layout.swap) & 3;
  // A is at the other end: that is how it differs from 5_5_5_1.
  if (layout.format->code == k1555) order ^= 2;
  std::array<int, 4> positions{};
  int position = 0;
  for (const uint8_t channel : kOrders[order]) {
    positions[channel] = position;
    position += layout.format->bits[channel];
  }
  return positions;
}

constexpr uint32_t Mask(int bits) {
  return static_cast<uint32_t>((uint64_t{1} << bits) - 1);
}

int32_t SignExtend(uint32_t value, int bits) {
  return static_cast<int32_t>(value << (32 - bits)) >> (32 - bits);
}

// The nearest integer, ties to even, if `value` is below 2^32 and the current
// rounding is to nearest. The product with a maximum of up to 16 bits is exact
// in a double, whatever the compiler contracts.
int32_t RoundProduct(float value, uint32_t maximum) {
  constexpr double kShift = 6755399441055744.0;  // 2^52 + 2^51
  const double sum =
      static_cast<double>(value) * static_cast<double>(maximum) + kShift;
  return static_cast<int32_t>(std::bit_cast<uint64_t>(sum));
}

uint32_t PackUnorm(uint32_t value, uint32_t maximum) {
  const float clamped = std::min(std::max(0.0f, AsFloat(value)), 1.0f);
  return static_cast<uint32_t>(RoundProduct(clamped, maximum));
}

uint32_t PackSnorm(uint32_t value, uint32_t maximum) {
  const float number = AsFloat(value);
  if (number != number) return 0;
  return static_cast<uint32_t>(
      RoundProduct(std::clamp(number, -1.0f, 1.0f), maximum));
}

// One channel of pixels of kBytes each, its bits at `position`.
template <int kBytes>
class Bits {
 public:
  Bits(int position, int bits)
      : offset_(kBytes > 8 ? position / 8 : 0),
        shift_(kBytes > 8 ? 0 : position),
        mask_(Mask(bits)) {}

  uint32_t Get(const uint8_t* pixel) const {
    Word word;
    std::memcpy(&word, pixel + offset_, sizeof(word));
    return static_cast<uint32_t>(word >> shift_) & mask_;
  }
  // The bits must be 0 before.
  void Set(uint8_t* pixel, uint32_t value) const {
    Word word;
    std::memcpy(&word, pixel + offset_, sizeof(word));
    word = static_cast<Word>(word | static_cast<Word>(value & mask_) << shift_);
    std::memcpy(pixel + offset_, &word, sizeof(word));
  }

 private:
  using Word = std::conditional_t<
      kBytes == 8, uint64_t,
      std::conditional_t<kBytes == 2, uint16_t,
                         std::conditional_t<kBytes == 1, uint8_t, uint32_t>>>;
  const int offset_;
  const int shift_;
  const uint32_t mask_;
};

template <int kBytes>
void UnpackAs(const PixelLayout& layout, const uint8_t* stored,
              std::span<Pixel> pixels) {
  const Format& format = *layout.format;
  const std::array<int, 4> positions = Positions(layout);
  for (size_t channel = 0; channel < 4; ++channel) {
    const int bits = format.bits[channel];
    const Bits<kBytes> field(positions[channel], bits);
    const auto convert_all = [&](auto convert) {
      const uint8_t* pixel = stored;
      for (Pixel& result : pixels) {
        result[channel] = convert(field.Get(pixel));
        pixel += kBytes;
      }
    };
    if (bits == 0) {
      const uint32_t one = format.numeric() == Numeric::kFloat ? AsBits(1) : 1;
      const uint32_t absent = channel == 3 ? one : 0;
      for (Pixel& result : pixels) result[channel] = absent;
      continue;
    }
    switch (format.type) {
      case kUnorm:
        if (layout.srgb && bits == 8 && channel < 3) {
          convert_all(
              [](uint32_t value) { return AsBits(DecodeSrgb8(value)); });
        } else {
          convert_all(
              [maximum = static_cast<float>(Mask(bits))](uint32_t value) {
                return AsBits(static_cast<float>(value) / maximum);
              });
        }
        break;
      case kSnorm:
        convert_all([bits, maximum = static_cast<float>(Mask(bits - 1))](
                        uint32_t value) {
          const auto number = static_cast<float>(SignExtend(value, bits));
          return AsBits(std::max(number / maximum, -1.0f));
        });
        break;
      case kFloat:
        if (bits == 32) {
          convert_all([](uint32_t value) { return value; });
        } else if (bits == 16) {
          convert_all([](uint32_t value) { return AsBits(DecodeHalf(value)); });
        } else {
          convert_all([mantissa = bits - 5](uint32_t value) {
            return AsBits(DecodeUnsignedFloat(value, mantissa));
          });
        }
        break;
      case kUint:
        convert_all([](uint32_t value) { return value; });
        break;
      case kSint:
        convert_all([bits](uint32_t value) {
          return static_cast<uint32_t>(SignExtend(value, bits));
        });
        break;
    }
  }
}

template <int kBytes>
void PackAs(const PixelLayout& layout, std::span<const Pixel> pixels,
            uint8_t* stored) {
  const Format& format = *layout.format;
  const std::array<int, 4> positions = Positions(layout);
  std::memset(stored, 0, pixels.size() * kBytes);
  for (size_t channel = 0; channel < 4; ++channel) {
    const int bits = format.bits[channel];
    if (bits == 0) continue;
    const Bits<kBytes> field(positions[channel], bits);
    const auto convert_all = [&](auto convert) {
      uint8_t* result = stored;
      for (const Pixel& pixel : pixels) {
        field.Set(result, convert(pixel[channel]));
        result += kBytes;
      }
    };
    switch (format.type) {
      case kUnorm:
        if (layout.srgb && bits == 8 && channel < 3) {
          convert_all(
              [](uint32_t value) { return EncodeSrgb8(AsFloat(value)); });
        } else {
          convert_all([maximum = Mask(bits)](uint32_t value) {
            return PackUnorm(value, maximum);
          });
        }
        break;
      case kSnorm:
        convert_all([maximum = Mask(bits - 1)](uint32_t value) {
          return PackSnorm(value, maximum);
        });
        break;
      case kFloat:
        if (bits == 32) {
          convert_all([](uint32_t value) { return value; });
        } else if (bits == 16) {
          convert_all(
              [](uint32_t value) { return EncodeHalf(AsFloat(value)); });
        } else {
          convert_all([mantissa = bits - 5](uint32_t value) {
            return EncodeUnsignedFloat(AsFloat(value), mantissa);
          });
        }
        break;
      case kUint:
        convert_all([maximum = Mask(bits)](uint32_t value) {
          return std::min(value, maximum);
        });
        break;
      case kSint:
        convert_all(
            [maximum = static_cast<int32_t>(Mask(bits - 1))](uint32_t value) {
              return static_cast<uint32_t>(std::clamp(
                  static_cast<int32_t>(value), -maximum - 1, maximum));
            });
        break;
    }
  }
}

void UnpackSharedExponent(const uint8_t* stored, std::span<Pixel> pixels) {
  for (Pixel& pixel : pixels) {
    uint32_t bits;
    std::memcpy(&bits, stored, sizeof(bits));
    stored += sizeof(bits);
    const std::array<float, 3> rgb = DecodeSharedExponent(bits);
    pixel = {AsBits(rgb[0]), AsBits(rgb[1]), AsBits(rgb[2]), AsBits(1)};
  }
}

void PackSharedExponent(std::span<const Pixel> pixels, uint8_t* stored) {
  for (const Pixel& pixel : pixels) {
    const uint32_t bits = EncodeSharedExponent(
        {AsFloat(pixel[0]), AsFloat(pixel[1]), AsFloat(pixel[2])});
    std::memcpy(stored, &bits, sizeof(bits));
    stored += sizeof(bits);
  }
}

}  // namespace

const Format* FindFormat(uint32_t code) {
  return code < kByCode.size() ? kByCode[code] : nullptr;
}

const Format& AsUnorm(const Format& format) {
  constexpr uint32_t k8888Unorm = 0x30;
  return IsDepthStencil(format) ? *kByCode[k8888Unorm] : format;
}

bool IsBitCopy(const PixelLayout& from, const PixelLayout& to) {
  const Format& a = *from.format;
  const Format& b = *to.format;
  if (a.code == k9995 || b.code == k9995) return a.code == b.code;
  const int stored_bits = a.bits[0] + a.bits[1] + a.bits[2] + a.bits[3];
  return a.type == b.type && a.type != kSnorm && a.bits == b.bits &&
         stored_bits == 8 * a.bytes && Positions(from) == Positions(to) &&
         from.srgb == to.srgb;
}

bool IsReordering(const PixelLayout& from, const PixelLayout& to) {
  constexpr std::array<uint8_t, 4> kFourOf8 = {8, 8, 8, 8};
  return from.format->type == to.format->type && from.format->type != kSnorm &&
         from.format->bits == kFourOf8 && to.format->bits == kFourOf8 &&
         from.srgb == to.srgb;
}

void Reorder(const PixelLayout& from, const PixelLayout& to,
             std::span<uint8_t> stored) {
  const std::array<int, 4> source = Positions(from);
  const std::array<int, 4> target = Positions(to);
  for (size_t i = 0; i + 4 <= stored.size(); i += 4) {
    uint32_t pixel;
    std::memcpy(&pixel, &stored[i], sizeof(pixel));
    uint32_t result = 0;
    for (size_t channel = 0; channel < 4; ++channel) {
      result |= ((pixel >> source[channel]) & 0xff) << target[channel];
    }
    std::memcpy(&stored[i], &result, sizeof(result));
  }
}

void Unpack(const PixelLayout& layout, const uint8_t* stored,
            std::span<Pixel> pixels) {
  if (layout.format->code == k9995) return UnpackSharedExponent(stored, pixels);
  switch (layout.format->bytes) {
    case 1:
      return UnpackAs<1>(layout, stored, pixels);
    case 2:
      return UnpackAs<2>(layout, stored, pixels);
    case 4:
      return UnpackAs<4>(layout, stored, pixels);
    case 8:
      return UnpackAs<8>(layout, stored, pixels);
    default:
      return UnpackAs<16>(layout, stored, pixels);
  }
}

void Pack(const PixelLayout& layout, std::span<const Pixel> pixels,
          uint8_t* stored) {
  if (layout.format->code == k9995) return PackSharedExponent(pixels, stored);
  switch (layout.format->bytes) {
    case 1:
      return PackAs<1>(layout, pixels, stored);
    case 2:
      return PackAs<2>(layout, pixels, stored);
    case 4:
      return PackAs<4>(layout, pixels, stored);
    case 8:
      return PackAs<8>(layout, pixels, stored);
    default:
      return PackAs<16>(layout, pixels, stored);
  }
}

}  // namespace nacre::simulator
