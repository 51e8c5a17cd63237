#ifndef NACRE_SIMULATOR_BLIT_2D_FIXTURE_H_
#define NACRE_SIMULATOR_BLIT_2D_FIXTURE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulator/command_processor.h"
#include "simulator/cp_fixture.h"
#include "simulator/test_client.h"

namespace nacre::simulator {

// A surface as the registers name it.
struct Picture {
  uint64_t iova = 0;
  uint32_t format = 0x30;  // 8_8_8_8_UNORM
  uint32_t pitch = 256;
  uint32_t width = 64;
  uint32_t height = 32;
  uint32_t swap = 0;
  uint32_t tile = 0;
  uint32_t samples = 0;  // Log 2.
  bool srgb = false;
  bool flags = false;  // UBWC.
};

struct Area {
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
};

// The rest of what a blit's registers say.
struct BlitOptions {
  uint32_t internal_format = 0x10;  // UNORM8
  uint32_t rotation = 0;
  uint32_t channels = 0xf;
  uint32_t partial_write = 0;
  bool linear = false;
  bool average = false;
  std::optional<Area> scissor = std::nullopt;
};

// Blits as Mesa sends them, through a command processor, between two buffers of
// a MiB that are filled with 0xcc at first.
class Blit2dFixture : public CpFixture {
 protected:
  static constexpr uint64_t kSource = kWindow + 0x1000000;
  static constexpr uint64_t kTarget = kWindow + 0x2000000;
  static constexpr uint64_t kPictureSize = 0x100000;
  static constexpr uint8_t kUntouched = 0xcc;
  static constexpr uint64_t kWorkLimit = 1'000'000;
  static constexpr uint64_t kGmemBase = 0x100000;

  explicit Blit2dFixture(Generation generation = Generation::kA6xx)
      : a7xx_(generation == Generation::kA7xx),
        processor_(CommandProcessor::Create({.generation = generation,
                                             .gmem_base = kGmemBase,
                                             .gmem_size = 0x100000,
                                             .work_limit = kWorkLimit})
                       .value()),
        source_buffer_(MapNew(kSource, kPictureSize)),
        target_buffer_(MapNew(kTarget, kPictureSize)),
        source_(Mapping::Shared(source_buffer_->fd(), 0, kPictureSize).value()),
        target_(
            Mapping::Shared(target_buffer_->fd(), 0, kPictureSize).value()) {
    std::fill_n(source_.data(), kPictureSize, kUntouched);
    std::fill_n(target_.data(), kPictureSize, kUntouched);
  }

  Hang Run(const Stream& stream) {
    std::copy(stream.dwords().begin(), stream.dwords().end(), &Dword(0));
    const IndirectBuffer buffer = {
        kIova, static_cast<uint32_t>(stream.dwords().size())};
    const Hang hang = processor_->Run(space_, {&buffer, 1});
    stats_ = processor_->TakeStats();
    return hang;
  }

  Stream& Control(Stream& stream, uint32_t format, const BlitOptions& options,
                  bool solid) const {
    const uint32_t control = options.rotation | (solid ? 1u : 0u) << 7 |
                             format << 8 | (options.scissor ? 1u : 0u) << 16 |
                             options.channels << 20 |
                             options.internal_format << 24;
    if (options.scissor) {
      const Area& area = *options.scissor;
      stream.Registers(0x840a, {area.x | area.y << 16, Corner(area)});
    }
    return stream.Registers(0x8c00, {control})
        .Registers(0x8400, {control})
        .Registers(0x8c01, {options.partial_write});
  }
  static Stream& To(Stream& stream, const Picture& picture, const Area& area) {
    return stream
        .Registers(0x8c17,
                   {picture.format | picture.tile << 8 | picture.swap << 10 |
                        (picture.flags ? 1u : 0u) << 12 |
                        (picture.srgb ? 1u : 0u) << 13 | picture.samples << 14,
                    Low(picture.iova), High(picture.iova), picture.pitch >> 6})
        .Registers(0x8405, {area.x | area.y << 16, Corner(area)});
  }
  Stream& From(Stream& stream, const Picture& picture, const Area& area,
               const BlitOptions& options) const {
    const uint32_t info =
        picture.format | picture.tile << 8 | picture.swap << 10 |
        (picture.flags ? 1u : 0u) << 12 | (picture.srgb ? 1u : 0u) << 13 |
        picture.samples << 14 | (options.linear ? 1u : 0u) << 16 |
        (options.average ? 1u : 0u) << 18 | 0x500000;
    return stream
        .Registers(a7xx_ ? 0xb2c0 : 0xb4c0,
                   {info, picture.width | picture.height << 15,
                    Low(picture.iova), High(picture.iova), picture.pitch << 3})
        .Registers(0x8401, {area.x << 8, (area.x + area.width - 1) << 8,
                            area.y << 8, (area.y + area.height - 1) << 8});
  }

  Hang Fill(const Picture& to, const Area& area,
            const std::array<uint32_t, 4>& color,
            const BlitOptions& options = {}) {
    Stream stream;
    Control(stream, to.format, options, /*solid=*/true);
    stream.Registers(0x8c2c, {color[0], color[1], color[2], color[3]});
    To(stream, to, area).Command(Opcode::kBlit, {3});
    return Run(stream);
  }
  Hang Copy(const Picture& from, const Area& from_area, const Picture& to,
            const Area& to_area, const BlitOptions& options = {}) {
    Stream stream;
    Control(stream, to.format, options, /*solid=*/false);
    From(stream, from, from_area, options);
    To(stream, to, to_area).Command(Opcode::kBlit, {3});
    return Run(stream);
  }

  // Bytes of the target from (x, y) of a picture, whose pixels have `cpp`.
  std::vector<uint8_t> TargetBytes(const Picture& picture, uint32_t x,
                                   uint32_t y, size_t cpp, size_t count) const {
    const uint8_t* start = target_.data() + (picture.iova - kTarget) +
                           size_t{y} * picture.pitch + x * cpp;
    return {start, start + count};
  }
  uint32_t& SourceDword(uint32_t x, uint32_t y, uint32_t pitch = 256) const {
    return reinterpret_cast<uint32_t*>(source_.data() + size_t{y} * pitch)[x];
  }
  uint32_t TargetDword(uint32_t x, uint32_t y, uint32_t pitch = 256) const {
    return reinterpret_cast<uint32_t*>(target_.data() + size_t{y} * pitch)[x];
  }

  // The only thing that was not executed, by name.
  std::string Missing() const {
    EXPECT_EQ(stats_.blits, 0u);
    EXPECT_EQ(stats_.blits_not_executed, 1u);
    EXPECT_EQ(stats_.packets_not_executed.size(), 1u);
    return stats_.packets_not_executed.empty()
               ? ""
               : stats_.packets_not_executed.begin()->first;
  }

  const bool a7xx_;
  std::unique_ptr<CommandProcessor> processor_;
  CommandProcessorStats stats_;
  std::shared_ptr<Buffer> source_buffer_;
  std::shared_ptr<Buffer> target_buffer_;
  Mapping source_;
  Mapping target_;

 private:
  static uint32_t Corner(const Area& area) {
    return (area.x + area.width - 1) | (area.y + area.height - 1) << 16;
  }
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_BLIT_2D_FIXTURE_H_
