#include "simulator/gmem.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "simulator/format.h"
#include "simulator/surface.h"

namespace nacre::simulator {
namespace {

// Drivers write the tile's size and place to several units; these are RB's own.
constexpr uint32_t kBinControl = 0x8800;
constexpr uint32_t kWindowOffset = 0x8890;
constexpr uint32_t kScissor = 0x88d1;  // TL, BR, inclusive.
constexpr uint32_t kGmemSamples = 0x88d5;
constexpr uint32_t kGmemBase = 0x88d6;
constexpr uint32_t kMemoryInfo = 0x88d7;  // RB_BLIT_DST_INFO, also to load.
constexpr uint32_t kMemoryAddress = 0x88d8;
constexpr uint32_t kMemoryPitch = 0x88da;
constexpr uint32_t kClearColor = 0x88df;  // Four dwords.
constexpr uint32_t kInfo = 0x88e3;
constexpr uint32_t kClearMode = 0x88e4;  // a7xx.

// What a unit of work (a dword of a stream) may be spent on, as in blit_2d.cc.
// Another is a pixel that is converted.
constexpr uint64_t kBytesPerUnit = 64;

// a6xx_blit_event_type.
enum class Type { kStore = 0, kStoreAndClear = 1, kClear = 2, kLoad = 3 };

// A part of the picture, ends exclusive; empty if one is not beyond its start.
struct Area {
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t x_end = 0;
  uint32_t y_end = 0;

  bool empty() const { return x_end <= x || y_end <= y; }
  uint32_t width() const { return x_end - x; }
};

Area Intersect(const Area& a, const Area& b) {
  return {.x = std::max(a.x, b.x),
          .y = std::max(a.y, b.y),
          .x_end = std::min(a.x_end, b.x_end),
          .y_end = std::min(a.y_end, b.y_end)};
}

// a6xx_reg_xy.
uint32_t X(uint32_t value) { return Field(value, 13, 0); }
uint32_t Y(uint32_t value) { return Field(value, 29, 16); }

// Of the largest format; others have theirs at the start.
using StoredPixel = std::array<uint8_t, 16>;

// What the registers say. Both surfaces start at pixel (0, 0) of the picture,
// though of `gmem` only the tile exists: all of `tile` is within GMEM.
struct Blit {
  Type type = Type::kStore;
  Surface gmem;
  Surface memory;
  bool average = false;  // Where there are more samples than wanted.
  Area tile;             // To move, or to clear in GMEM.

  bool clear_memory = false;  // Instead of GMEM, and all of `scissor`.
  Area scissor;
  // What a pixel of the target shall be, where `clear_bits` has ones.
  StoredPixel clear_color{};
  StoredPixel clear_bits{};
};

bool IsPackedDepthStencil(const Format& format) {
  return &AsUnorm(format) != &format;
}

// What CLEAR_MASK selects; R is bit 0. Depth and stencil have a bit each.
uint32_t ChannelsToClear(const Format& format, uint32_t info) {
  const uint32_t mask = Field(info, 7, 4);
  const bool depth_stencil = Bit(info, 3);
  if (!depth_stencil || !IsPackedDepthStencil(format)) return mask;
  return (Bit(mask, 0) ? 0x7 : 0) | (Bit(mask, 1) ? 0x8 : 0);
}

// The bits of those channels. Nullopt if no value says which they are: of
// floats and SNORM, drivers clear all channels.
std::optional<StoredPixel> BitsOf(const PixelLayout& layout,
                                  uint32_t channels) {
  StoredPixel bits{};
  bool all = true;
  Pixel selected{};
  for (size_t i = 0; i < selected.size(); ++i) {
    const bool stored = layout.format->bits[i] != 0;
    if (Bit(channels, static_cast<int>(i))) {
      selected[i] =
          layout.format->type == ChannelType::kUnorm ? AsBits(1) : ~0u;
    } else if (stored) {
      all = false;
    }
  }
  if (all) {
    bits.fill(0xff);
    return bits;
  }
  const ChannelType type = layout.format->type;
  if (channels == 0) return bits;
  if (type == ChannelType::kFloat || type == ChannelType::kSnorm) {
    return std::nullopt;
  }
  Pack(layout, {&selected, 1}, bits.data());
  return bits;
}

std::optional<Blit> ReadRegisters(const CpState& state) {
  const RegisterFile& registers = state.registers;
  const uint32_t info = registers.Read(kInfo);
  const uint32_t memory_info = registers.Read(kMemoryInfo);
  const Format* format = FindFormat(Field(memory_info, 14, 7));
  if (format == nullptr) return std::nullopt;

  Blit blit;
  blit.type = static_cast<Type>(Field(info, 1, 0));
  const bool first_sample = Bit(info, 2);
  blit.average = !first_sample && format->numeric() == Numeric::kFloat;
  blit.clear_memory = state.generation == Generation::kA7xx &&
                      !Bit(registers.Read(kClearMode), 0);
  blit.memory = {
      .iova = registers.Read64(kMemoryAddress) & ~uint64_t{63},
      .pitch = Field(registers.Read(kMemoryPitch), 15, 0) << 6,
      .layout = {.format = format,
                 .swap = static_cast<Swap>(Field(memory_info, 6, 5))},
      .samples = SampleCount(Field(memory_info, 4, 3))};

  if (blit.type == Type::kClear || blit.type == Type::kStoreAndClear) {
    const PixelLayout target =
        blit.clear_memory ? blit.memory.layout : PixelLayout{.format = format};
    const auto bits = BitsOf(target, ChannelsToClear(*format, info));
    if (!bits) return std::nullopt;
    blit.clear_bits = *bits;
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t dword = registers.Read(kClearColor + i);
      std::memcpy(blit.clear_color.data() + size_t{4} * i, &dword,
                  sizeof(dword));
    }
    // It is given as GMEM stores it.
    if (target.swap != Swap::kWzyx) {
      Pixel color;
      Unpack({.format = format}, blit.clear_color.data(), {&color, 1});
      Pack(target, {&color, 1}, blit.clear_color.data());
    }
  }

  const uint32_t top_left = registers.Read(kScissor);
  const uint32_t bottom_right = registers.Read(kScissor + 1);
  blit.scissor = {.x = X(top_left),
                  .y = Y(top_left),
                  .x_end = X(bottom_right) + 1,
                  .y_end = Y(bottom_right) + 1};

  const uint32_t bin = registers.Read(kBinControl);
  const uint32_t bin_width = Field(bin, 5, 0) << 5;
  const uint32_t bin_height = Field(bin, 14, 8) << 4;
  const uint32_t offset = registers.Read(kWindowOffset);
  blit.tile = Intersect(blit.scissor, {.x = X(offset),
                                       .y = Y(offset),
                                       .x_end = X(offset) + bin_width,
                                       .y_end = Y(offset) + bin_height});
  blit.gmem = {
      .layout = {.format = format},
      .samples = SampleCount(Field(registers.Read(kGmemSamples), 4, 3))};
  blit.gmem.pitch = bin_width * blit.gmem.bytes_per_pixel();
  const uint64_t base = registers.Read(kGmemBase) & ~uint32_t{0xfff};
  if (!blit.tile.empty()) {
    const uint64_t end =
        base + uint64_t{blit.tile.y_end - 1 - Y(offset)} * blit.gmem.pitch +
        uint64_t{blit.tile.x_end - X(offset)} * blit.gmem.bytes_per_pixel();
    if (end > state.memory.gmem_size()) return std::nullopt;
  }
  blit.gmem.iova = state.memory.gmem_base() + base -
                   uint64_t{Y(offset)} * blit.gmem.pitch -
                   uint64_t{X(offset)} * blit.gmem.bytes_per_pixel();
  return blit;
}

// The same surface as one of single samples, which is wider.
Surface Flattened(Surface surface) {
  surface.samples = 1;
  return surface;
}

class Mover {
 public:
  explicit Mover(CpState& state) : state_(state) {}

  Hang Move(Surface from, Surface to, bool average, Area area) {
    if (area.empty()) return Hang::kNone;
    if (from.samples == to.samples) {
      area.x *= from.samples;
      area.x_end *= from.samples;
      from = Flattened(from);
      to = Flattened(to);
    }
    const size_t bytes = size_t{area.width()} * to.bytes_per_pixel();
    const bool same_order = from.layout.swap == to.layout.swap;
    const bool copy = from.samples == to.samples &&
                      (same_order || IsReordering(from.layout, to.layout));
    const uint64_t samples =
        uint64_t{std::max(from.samples, to.samples)} * area.width();
    row_.resize(bytes);
    PixelReader reader(state_.memory, from, average);
    for (uint32_t y = area.y; y < area.y_end; ++y) {
      const Hang hang = Spend(copy ? 2 * WorkOfBytes(bytes) : samples);
      if (hang != Hang::kNone) return hang;
      if (copy) {
        state_.memory.Read(from.AddressOf(area.x, y), row_);
        if (!same_order) Reorder(from.layout, to.layout, row_);
      } else {
        pixels_.resize(area.width());
        reader.Read(area.x, y, pixels_);
        Replicate(to.samples);
        Pack(to.layout, pixels_, row_.data());
      }
      state_.memory.Write(to.AddressOf(area.x, y), row_);
      state_.stats.tile_pixels += samples;
    }
    return Hang::kNone;
  }

  Hang Clear(const Blit& blit, const Surface& target, Area area) {
    if (area.empty()) return Hang::kNone;
    const size_t bytes = target.layout.format->bytes;
    const size_t count = size_t{area.width()} * target.samples;
    const bool all = std::all_of(blit.clear_bits.begin(), blit.clear_bits.end(),
                                 [](uint8_t bits) { return bits == 0xff; });
    color_.resize(count * bytes);
    bits_.resize(count * bytes);
    row_.resize(count * bytes);
    for (size_t at = 0; at < row_.size(); at += bytes) {
      std::memcpy(color_.data() + at, blit.clear_color.data(), bytes);
      std::memcpy(bits_.data() + at, blit.clear_bits.data(), bytes);
    }
    const uint64_t work = (all ? 1 : 2) * WorkOfBytes(row_.size());
    for (uint32_t y = area.y; y < area.y_end; ++y) {
      if (const Hang hang = Spend(work); hang != Hang::kNone) return hang;
      const uint64_t iova = target.AddressOf(area.x, y);
      if (all) {
        state_.memory.Write(iova, color_);
      } else {
        state_.memory.Read(iova, row_);
        for (size_t i = 0; i < row_.size(); ++i) {
          row_[i] ^= (row_[i] ^ color_[i]) & bits_[i];
        }
        state_.memory.Write(iova, row_);
      }
      state_.stats.tile_pixels += count;
    }
    return Hang::kNone;
  }

 private:
  static uint64_t WorkOfBytes(uint64_t bytes) {
    return 1 + bytes / kBytesPerUnit;
  }
  Hang Spend(uint64_t work) {
    if (state_.Stopped()) return Hang::kDeviceGone;
    return state_.Spend(work) ? Hang::kNone : Hang::kWorkLimit;
  }

  // Each of pixels_ as often.
  void Replicate(uint32_t samples) {
    const size_t count = pixels_.size();
    pixels_.resize(count * samples);
    for (size_t i = count; i-- > 0;) {
      const Pixel pixel = pixels_[i];
      std::fill_n(pixels_.begin() + i * samples, samples, pixel);
    }
  }

  CpState& state_;
  std::vector<uint8_t> row_;
  std::vector<uint8_t> color_;
  std::vector<uint8_t> bits_;
  std::vector<Pixel> pixels_;
};

}  // namespace

Hang BlitEvent(CpState& state) {
  const std::optional<Blit> blit = ReadRegisters(state);
  if (!blit) {
    ++state.stats.resolves_not_executed;
    return Hang::kNone;
  }
  Mover mover(state);
  const auto clear = [&] {
    ++state.stats.clears;
    return blit->clear_memory ? mover.Clear(*blit, blit->memory, blit->scissor)
                              : mover.Clear(*blit, blit->gmem, blit->tile);
  };
  const auto store = [&] {
    ++state.stats.stores;
    return mover.Move(blit->gmem, blit->memory, blit->average, blit->tile);
  };
  switch (blit->type) {
    case Type::kLoad:
      ++state.stats.loads;
      return mover.Move(blit->memory, blit->gmem, blit->average, blit->tile);
    case Type::kClear:
      return clear();
    case Type::kStore:
      return store();
    case Type::kStoreAndClear: {
      const Hang hang = store();
      // Mesa stores separate stencil so, without anything to clear.
      if (hang != Hang::kNone || blit->clear_bits == StoredPixel{}) return hang;
      return clear();
    }
  }
  return Hang::kNone;
}

}  // namespace nacre::simulator
