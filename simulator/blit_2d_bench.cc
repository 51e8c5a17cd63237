// How fast the 2D engine fills, copies and converts a picture of 1920 x 1080.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "benchmark/benchmark.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "glog/logging.h"
#include "simulator/address_space.h"
#include "simulator/buffer_pool.h"
#include "simulator/command_processor.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

constexpr uint64_t kStart = uint64_t{1} << 32;
constexpr uint64_t kStream = kStart;
constexpr uint64_t kSource = kStart + 0x1000000;
constexpr uint64_t kTarget = kStart + 0x10000000;
constexpr uint64_t kPictureSize = 0x8000000;
constexpr uint32_t kWidth = 1920;
constexpr uint32_t kHeight = 1080;
constexpr uint32_t kPitch = 0x8000;

class Gpu {
 public:
  Gpu() : processor_({.work_limit = uint64_t{1} << 26}) {
    Map(kStream, 0x1000);
    Map(kSource, kPictureSize);
    Map(kTarget, kPictureSize);
  }
  void Place(const Stream& stream) {
    const std::shared_ptr<Buffer> buffer = space_->Translate(kStream)->buffer;
    const Mapping mapping =
        Mapping::Shared(buffer->fd(), 0, buffer->size()).value();
    std::copy(stream.dwords().begin(), stream.dwords().end(),
              reinterpret_cast<uint32_t*>(mapping.data()));
    stream_ = {kStream, static_cast<uint32_t>(stream.dwords().size())};
  }
  void Run() {
    CHECK(processor_->Run(space_, {&stream_, 1}) == Hang::kNone);
    CHECK_EQ(processor_->TakeStats().blits, 1u);
  }

 private:
  void Map(uint64_t iova, uint64_t size) {
    buffers_.push_back(pool_.Allocate(size, msm::MSM_BO_WC).value());
    CHECK(space_->Assign(buffers_.back(), iova).ok());
  }

  BufferPool pool_{uint64_t{1} << 30};
  std::vector<std::shared_ptr<Buffer>> buffers_;
  std::shared_ptr<AddressSpace> space_ =
      std::make_shared<AddressSpace>(kStart, uint64_t{1} << 32);
  std::unique_ptr<CommandProcessor> processor_ =
      CommandProcessor::Create({}).value();
  IndirectBuffer stream_ = {};
};

Stream Target(uint32_t format, uint32_t control) {
  return Stream()
      .Registers(0x8c00, {control | format << 8 | 0xf00000})
      .Registers(0x8c17, {format, Low(kTarget), High(kTarget), kPitch >> 6})
      .Registers(0x8405, {0, (kWidth - 1) | (kHeight - 1) << 16});
}

void Measure(benchmark::State& state, Stream stream) {
  Gpu gpu;
  gpu.Place(stream.Command(Opcode::kBlit, {3}));
  gpu.Run();
  for (auto _ : state) gpu.Run();
  state.SetItemsProcessed(state.iterations() * kWidth * kHeight);
}

void BM_Fill(benchmark::State& state) {
  Measure(state, Target(0x30, 0x10000080));
}
BENCHMARK(BM_Fill)->Unit(benchmark::kMillisecond);

// From a source of `width` x `height`; `options` of SP_PS_2D_SRC_INFO.
void Copy(benchmark::State& state, uint32_t from, uint32_t to,
          uint32_t internal_format, uint32_t width, uint32_t height,
          uint32_t options = 0) {
  Measure(state,
          Target(to, internal_format << 24)
              .Registers(0xb4c0, {from | options, width | height << 15,
                                  Low(kSource), High(kSource), kPitch << 3})
              .Registers(0x8401, {0, (width - 1) << 8, 0, (height - 1) << 8}));
}
constexpr uint32_t kLinear = 1u << 16;
constexpr uint32_t kAverageOf4 = 1u << 18 | 2u << 14;

BENCHMARK_CAPTURE(Copy, SameFormat, 0x30, 0x30, 0x10, kWidth, kHeight)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, Swapped, 0x30 | 1 << 10, 0x30, 0x10, kWidth, kHeight)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, To565, 0x30, 0x0e, 0x10, kWidth, kHeight)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, ToHalves, 0x30, 0x62, 3, kWidth, kHeight)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, FromFloats, 0x82, 0x30, 0x10, kWidth, kHeight)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, HalfSizeNearest, 0x30, 0x30, 0x10, 2 * kWidth,
                  2 * kHeight)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, TwiceTheSizeLinear, 0x30, 0x30, 0x10, kWidth / 2,
                  kHeight / 2, kLinear)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Copy, AverageOf4, 0x30, 0x30, 0x10, kWidth, kHeight,
                  kAverageOf4)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace nacre::simulator

BENCHMARK_MAIN();
