#include "simulator/blit_2d.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "simulator/blit_2d_registers.h"
#include "simulator/sampling.h"
#include "simulator/surface.h"

namespace nacre::simulator {
namespace {

// What a unit of work (a dword of a stream) may be spent on: 5 to 10 ns of it,
// as dwords take. The largest picture in the largest format can be filled.
constexpr uint64_t kBytesPerUnit = 256;  // Filled, or copied as they are.
constexpr uint64_t kStepsPerUnit = 4;    // Pixels read, sampled or stored.

// Where the engine writes runs of pixels.
class Target {
 public:
  Target(GpuMemory& memory, const Blit2d& blit)
      : memory_(memory),
        surface_(blit.destination),
        kept_bytes_(blit.kept_bytes) {}

  // Stored pixels from (x, y) on, which are changed to what is written.
  void Write(int32_t x, int32_t y, std::span<uint8_t> stored) {
    const uint64_t iova =
        surface_.AddressOf(static_cast<uint32_t>(x), static_cast<uint32_t>(y));
    if (kept_bytes_ != 0) Keep(iova, stored);
    memory_.Write(iova, stored);
  }

 private:
  void Keep(uint64_t iova, std::span<uint8_t> stored) {
    present_.resize(stored.size());
    memory_.Read(iova, present_);
    const size_t bytes = surface_.bytes_per_pixel();
    for (size_t i = 0; i < stored.size(); ++i) {
      if (Bit(kept_bytes_, static_cast<int>(i % bytes))) {
        stored[i] = present_[i];
      }
    }
  }

  GpuMemory& memory_;
  const Surface& surface_;
  const uint32_t kept_bytes_;
  std::vector<uint8_t> present_;
};

void DropChannels(uint32_t channels, std::span<Pixel> pixels) {
  if (channels == 0xf) return;
  for (Pixel& pixel : pixels) {
    for (int i = 0; i < 4; ++i) {
      if (!Bit(channels, i)) pixel[static_cast<size_t>(i)] = 0;
    }
  }
}

uint64_t WorkOfBytes(const Blit2d& blit) {
  const uint64_t row = static_cast<uint64_t>(blit.visible.width()) *
                       blit.destination.bytes_per_pixel();
  return static_cast<uint64_t>(blit.visible.height()) *
         (1 + row / kBytesPerUnit);
}

Hang Fill(CpState& state, const Blit2d& blit) {
  if (!state.Spend(WorkOfBytes(blit))) return Hang::kWorkLimit;
  Pixel color = blit.color;
  DropChannels(blit.channels, {&color, 1});
  const size_t bytes = blit.destination.bytes_per_pixel();
  std::vector<uint8_t> row(static_cast<size_t>(blit.visible.width()) * bytes);
  const auto fill_row = [&] {
    Pack(blit.destination.layout, {&color, 1}, row.data());
    for (size_t i = bytes; i < row.size(); ++i) row[i] = row[i - bytes];
  };
  fill_row();
  Target target(state.memory, blit);
  for (int32_t y = blit.visible.y; y < blit.visible.y_end; ++y) {
    if (state.Stopped()) return Hang::kDeviceGone;
    target.Write(blit.visible.x, y, row);
    if (blit.kept_bytes != 0) fill_row();
  }
  return Hang::kNone;
}

bool IsUnscaled(int32_t start, int32_t extent, int32_t target) {
  return start % 256 == 0 && extent == target * 256;
}

// Whether target pixels are source pixels, bit for bit, or with their channels
// in another order, as drivers untile what windows show.
bool CopiesBits(const Blit2d& blit) {
  const PixelLayout& from = blit.source.layout;
  const PixelLayout& to = blit.destination.layout;
  if (blit.rotation != Rotation::kNone || blit.source.samples != 1 ||
      blit.channels != 0xf ||
      (!IsBitCopy(from, to) && !IsReordering(from, to)) ||
      !IsUnscaled(blit.source_x, blit.source_x_extent, blit.target.width()) ||
      !IsUnscaled(blit.source_y, blit.source_y_extent, blit.target.height())) {
    return false;
  }
  const int32_t x = blit.source_x / 256 - blit.target.x;
  const int32_t y = blit.source_y / 256 - blit.target.y;
  return blit.visible.x + x >= 0 && blit.visible.y + y >= 0 &&
         blit.visible.x_end + x <= static_cast<int32_t>(blit.source_width) &&
         blit.visible.y_end + y <= static_cast<int32_t>(blit.source_height);
}

Hang CopyBits(CpState& state, const Blit2d& blit) {
  if (!state.Spend(2 * WorkOfBytes(blit))) return Hang::kWorkLimit;
  const int32_t x = blit.source_x / 256 - blit.target.x;
  const int32_t y = blit.source_y / 256 - blit.target.y;
  std::vector<uint8_t> row(static_cast<size_t>(blit.visible.width()) *
                           blit.destination.bytes_per_pixel());
  const PixelLayout& from = blit.source.layout;
  const PixelLayout& to = blit.destination.layout;
  const bool reorder = !IsBitCopy(from, to);
  Target target(state.memory, blit);
  for (int32_t line = blit.visible.y; line < blit.visible.y_end; ++line) {
    if (state.Stopped()) return Hang::kDeviceGone;
    state.memory.Read(
        blit.source.AddressOf(static_cast<uint32_t>(blit.visible.x + x),
                              static_cast<uint32_t>(line + y)),
        row);
    if (reorder) Reorder(from, to, row);
    target.Write(blit.visible.x, line, row);
  }
  return Hang::kNone;
}

// One channel of two pixels, weighted. Of equal ones, and where the second
// counts for nothing, it is exactly the first one, also beside infinity.
float Blend(float first, float second, float weight) {
  if (first == second || weight == 0) return first;
  return first * (1 - weight) + second * weight;
}

void Blend(const Pixel& first, const Pixel& second, float weight,
           Pixel& result) {
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = AsBits(Blend(AsFloat(first[i]), AsFloat(second[i]), weight));
  }
}

// The rows of the source, or what of them is sampled, as values; the last two
// that were asked for.
class SourceRows {
 public:
  SourceRows(GpuMemory& memory, const Blit2d& blit, uint32_t x, uint32_t width)
      : reader_(memory, blit.source, blit.average), x_(x) {
    for (CachedRow& row : rows_) row.pixels.resize(width);
  }

  // Valid until the next but one call. The first pixel is at `x`.
  const Pixel* Get(uint32_t y) {
    for (const CachedRow& row : rows_) {
      if (row.valid && row.y == y) {
        next_ = &row == &rows_[0] ? 1 : 0;
        return row.pixels.data();
      }
    }
    CachedRow& row = rows_[next_];
    next_ = 1 - next_;
    reader_.Read(x_, y, row.pixels);
    row.y = y;
    row.valid = true;
    return row.pixels.data();
  }

 private:
  struct CachedRow {
    bool valid = false;
    uint32_t y = 0;
    std::vector<Pixel> pixels;
  };
  PixelReader reader_;
  const uint32_t x_;
  std::array<CachedRow, 2> rows_;
  size_t next_ = 0;
};

// Everything else: pixels are read as values, sampled, and stored again.
class Sampler {
 public:
  explicit Sampler(const Blit2d& blit) : blit_(blit) {
    const Rotation rotation = blit.rotation;
    turned_ = rotation == Rotation::k90 || rotation == Rotation::k270;
    // Target pixels along the source's X and Y.
    Span along_x = {blit.target.x, blit.target.width(), blit.visible.x,
                    blit.visible.width()};
    Span along_y = {blit.target.y, blit.target.height(), blit.visible.y,
                    blit.visible.height()};
    if (turned_) std::swap(along_x, along_y);
    x_taps_ = Taps(along_x, {.size = blit.source_width,
                             .start = blit.source_x,
                             .extent = blit.source_x_extent,
                             .mirrored = rotation == Rotation::kFlipX ||
                                         rotation == Rotation::k180 ||
                                         rotation == Rotation::k270});
    y_taps_ = Taps(along_y, {.size = blit.source_height,
                             .start = blit.source_y,
                             .extent = blit.source_y_extent,
                             .mirrored = rotation == Rotation::kFlipY ||
                                         rotation == Rotation::k180 ||
                                         rotation == Rotation::k90});
    // Beyond an edge, taps of the same first pixel differ in their second.
    first_x_ = blit.source_width;
    for (const Tap& tap : x_taps_) {
      first_x_ = std::min(first_x_, tap.first);
      end_x_ = std::max(end_x_, tap.second + 1);
    }
  }

  Hang Run(CpState& state) {
    const uint64_t steps = uint64_t{end_x_ - first_x_} * blit_.source.samples +
                           x_taps_.size() * (blit_.linear ? 4 : 2);
    if (!state.Spend(y_taps_.size() * (1 + steps / kStepsPerUnit))) {
      return Hang::kWorkLimit;
    }
    SourceRows rows(state.memory, blit_, first_x_, end_x_ - first_x_);
    Target target(state.memory, blit_);
    const PixelLayout& layout = blit_.destination.layout;
    const size_t bytes = blit_.destination.bytes_per_pixel();
    std::vector<Pixel> line(x_taps_.size());
    std::vector<uint8_t> stored(line.size() * bytes);
    for (size_t i = 0; i < y_taps_.size(); ++i) {
      if (state.Stopped()) return Hang::kDeviceGone;
      Sample(rows, y_taps_[i], line);
      DropChannels(blit_.channels, line);
      Pack(layout, line, stored.data());
      const auto along = static_cast<int32_t>(i);
      if (!turned_) {
        target.Write(blit_.visible.x, blit_.visible.y + along, stored);
        continue;
      }
      for (size_t j = 0; j < line.size(); ++j) {
        target.Write(blit_.visible.x + along,
                     blit_.visible.y + static_cast<int32_t>(j),
                     std::span(stored).subspan(j * bytes, bytes));
      }
    }
    return Hang::kNone;
  }

 private:
  struct Span {
    int32_t target;
    int32_t target_size;
    int32_t visible;
    int32_t visible_size;
  };
  std::vector<Tap> Taps(const Span& span, Axis axis) const {
    axis.target = static_cast<uint32_t>(span.target_size);
    axis.linear = blit_.linear;
    return MakeTaps(axis, static_cast<uint32_t>(span.visible - span.target),
                    static_cast<uint32_t>(span.visible_size));
  }

  void Sample(SourceRows& rows, const Tap& y, std::span<Pixel> line) const {
    const Pixel* first = rows.Get(y.first);
    if (!blit_.linear) {
      for (size_t i = 0; i < line.size(); ++i) {
        line[i] = first[x_taps_[i].first - first_x_];
      }
      return;
    }
    const Pixel* second = rows.Get(y.second);
    for (size_t i = 0; i < line.size(); ++i) {
      const Tap& x = x_taps_[i];
      const uint32_t left = x.first - first_x_;
      const uint32_t right = x.second - first_x_;
      Pixel upper;
      Pixel lower;
      Blend(first[left], first[right], x.weight, upper);
      Blend(second[left], second[right], x.weight, lower);
      Blend(upper, lower, y.weight, line[i]);
    }
  }

  const Blit2d& blit_;
  bool turned_;
  std::vector<Tap> x_taps_;
  std::vector<Tap> y_taps_;
  uint32_t first_x_ = 0;
  uint32_t end_x_ = 0;
};

Hang NotExecuted(CpState& state, const std::string& what) {
  ++state.stats.blits_not_executed;
  ++state.stats.packets_not_executed[absl::StrCat("CP_BLIT ", what)];
  return Hang::kNone;
}

}  // namespace

Hang Blit(CpState& state, Payload payload) {
  enum Operation { kFill = 0, kCopy = 1, kScale = 3 };
  if (payload.empty()) return Hang::kShortPacket;
  const uint32_t operation = Field(payload[0], 3, 0);
  if (operation != kFill && operation != kCopy && operation != kScale) {
    return NotExecuted(state, absl::StrCat("operation ", operation));
  }
  if (payload.size() > 1) return NotExecuted(state, "with coordinates");

  const auto parsed =
      ReadBlit2d(state.registers, state.generation, state.memory);
  if (const auto* missing = std::get_if<BlitNotKnown>(&parsed)) {
    return NotExecuted(state, missing->what);
  }
  const Blit2d& blit = std::get<Blit2d>(parsed);
  if (!blit.visible.empty()) {
    const Hang hang = blit.is_fill       ? Fill(state, blit)
                      : CopiesBits(blit) ? CopyBits(state, blit)
                                         : Sampler(blit).Run(state);
    if (hang != Hang::kNone) return hang;
    state.stats.blit_pixels += static_cast<uint64_t>(blit.visible.width()) *
                               static_cast<uint64_t>(blit.visible.height());
  }
  ++state.stats.blits;
  return Hang::kNone;
}

}  // namespace nacre::simulator
