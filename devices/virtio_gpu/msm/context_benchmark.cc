#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/mapping.h"
#include "base/page_size.h"
#include "benchmark/benchmark.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/uapi.h"

// What a ccmd costs from Submit to the driver's door: the driver does nothing.

namespace {
uint64_t allocations = 0;
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, size_t) noexcept { std::free(pointer); }

namespace nacre::msm {
namespace {

class NullFile final : public DrmFile {
 public:
  explicit NullFile(int memory) : memory_(memory) {}

  absl::StatusOr<uint64_t> GetParam(uint32_t) override { return 3; }
  absl::Status SetParamString(uint32_t, const std::string&) override {
    return {};
  }
  absl::StatusOr<uint32_t> GemNew(uint64_t, uint32_t) override {
    return next_handle_++;
  }
  absl::Status GemClose(uint32_t) override { return {}; }
  absl::Status GemSetIova(uint32_t, uint64_t) override { return {}; }
  absl::Status GemSetName(uint32_t, const std::string&) override { return {}; }
  absl::Status GemCpuPrep(uint32_t, uint32_t) override { return {}; }
  absl::StatusOr<GemMemory> GemGetMemory(uint32_t) override {
    return GemMemory{.fd = memory_, .offset = 0};
  }
  absl::StatusOr<uint64_t> GemGetSize(uint32_t) override { return 4096; }
  absl::StatusOr<Fd> GemExport(uint32_t) override { return Fd(); }
  absl::StatusOr<uint32_t> GemImport(int) override { return 1; }
  absl::StatusOr<Fd> GemSubmit(const SubmitRequest& request) override {
    benchmark::DoNotOptimize(request.bos.data());
    return Fd();
  }
  absl::Status WaitFence(uint32_t, uint32_t, uint32_t) override { return {}; }
  absl::StatusOr<uint32_t> SubmitqueueNew(uint32_t, uint32_t) override {
    return 1;
  }
  absl::Status SubmitqueueClose(uint32_t) override { return {}; }
  absl::StatusOr<uint32_t> SubmitqueueQuery(uint32_t, uint32_t,
                                            std::span<uint8_t>) override {
    return 4;
  }

 private:
  const int memory_;
  uint32_t next_handle_ = 1;
};

class NullDevice final : public DrmDevice {
 public:
  DriverVersion version() const override { return {1, 12, 0}; }
  uint64_t page_size() const override { return HostPageSize(); }
  CpuCaching CachingOf(uint32_t) const override { return CpuCaching::kCached; }
  absl::StatusOr<std::unique_ptr<DrmFile>> Open() override {
    return std::make_unique<NullFile>(memory_.get());
  }

 private:
  const Fd memory_ = *CreateMemfd("null-gem", 1 << 20);
};

struct Setup {
  NullDevice device;
  std::unique_ptr<MsmContextType> type = *MsmContextType::Create(device);
  Guest guest{*type};
};

// Submits `stream` over and over; time and allocations are per ccmd.
void RunStream(benchmark::State& state, Guest& guest,
               const std::vector<uint8_t>& stream, int ccmds) {
  guest.context().Submit(stream).IgnoreError();
  const uint64_t before = allocations;
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(guest.context().Submit(stream).ok());
  }
  const double total = static_cast<double>(state.iterations()) * ccmds;
  state.counters["allocs/ccmd"] =
      static_cast<double>(allocations - before) / total;
  state.counters["time/ccmd"] = benchmark::Counter(
      total, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

constexpr int kBatch = 64;
constexpr uint64_t kIova = 1 << 20;

void BM_Nop(benchmark::State& state) {
  Setup setup;
  CcmdStream stream;
  for (int i = 0; i < kBatch; ++i) stream.Add(MSM_CCMD_NOP, {});
  RunStream(state, setup.guest, stream.bytes(), kBatch);
}
BENCHMARK(BM_Nop);

void BM_SetIova(benchmark::State& state) {
  Setup setup;
  const uint32_t buffer = *setup.guest.NewBuffer(4096, kIova);
  CcmdStream stream;
  for (int i = 0; i < kBatch; ++i) {
    stream.Add(MSM_CCMD_GEM_SET_IOVA,
               {static_cast<uint32_t>(kIova + (i << 12)), 0, buffer, 0});
  }
  RunStream(state, setup.guest, stream.bytes(), kBatch);
}
BENCHMARK(BM_SetIova);

void BM_GetParam(benchmark::State& state) {
  Setup setup;
  const drm_msm_param param = {.pipe = MSM_PIPE_3D0,
                               .param = MSM_PARAM_TIMESTAMP,
                               .value = 0,
                               .len = 0,
                               .pad = 0};
  CcmdStream stream;
  for (int i = 0; i < kBatch; ++i) {
    stream.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_GET_PARAM},
               AsBytes(param));
  }
  RunStream(state, setup.guest, stream.bytes(), kBatch);
}
BENCHMARK(BM_GetParam);

void BM_WaitFence(benchmark::State& state) {
  Setup setup;
  CcmdStream stream;
  for (int i = 0; i < kBatch; ++i) stream.Add(MSM_CCMD_WAIT_FENCE, {1, 1});
  RunStream(state, setup.guest, stream.bytes(), kBatch);
}
BENCHMARK(BM_WaitFence);

void BM_Upload(benchmark::State& state) {
  Setup setup;
  const uint32_t buffer = *setup.guest.NewBuffer(1 << 20, kIova);
  const std::vector<uint8_t> data(state.range(0), 1);
  CcmdStream stream;
  for (int i = 0; i < 4; ++i) {
    stream.Add(MSM_CCMD_GEM_UPLOAD,
               {buffer, 0, static_cast<uint32_t>(i * data.size()),
                static_cast<uint32_t>(data.size())},
               data);
  }
  RunStream(state, setup.guest, stream.bytes(), 4);
}
BENCHMARK(BM_Upload)->Arg(64)->Arg(4096);

// GEM_SUBMIT of one command and that many buffers, as turnip lists them.
void BM_Submit(benchmark::State& state) {
  Setup setup;
  const uint32_t count = static_cast<uint32_t>(state.range(0));
  std::vector<drm_msm_gem_submit_bo> bos;
  for (uint32_t i = 0; i < count; ++i) {
    bos.push_back({MSM_SUBMIT_BO_READ,
                   *setup.guest.NewBuffer(4096, kIova + uint64_t{i} * 4096),
                   0});
  }
  const drm_msm_gem_submit_cmd cmd = {MSM_SUBMIT_CMD_BUF, 0, 0, 4, 0, 0, 0};
  std::vector<uint8_t> arrays(bos.size() * sizeof(bos[0]) + sizeof(cmd));
  std::memcpy(arrays.data(), bos.data(), bos.size() * sizeof(bos[0]));
  std::memcpy(arrays.data() + bos.size() * sizeof(bos[0]), &cmd, sizeof(cmd));
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, count, 1, 1}, arrays);
  RunStream(state, setup.guest, stream.bytes(), 1);
  state.counters["time/bo"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * count,
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Submit)->Arg(1)->Arg(100)->Arg(5000)->Arg(50000);

// The life of a buffer: GEM_NEW, blob, attach, SET_IOVA 0, detach, unref.
void BM_NewAndClose(benchmark::State& state) {
  Setup setup;
  for ([[maybe_unused]] auto _ : state) {
    const uint32_t buffer = *setup.guest.NewBuffer(4096, kIova);
    setup.guest.CloseBuffer(buffer);
  }
}
BENCHMARK(BM_NewAndClose);

}  // namespace
}  // namespace nacre::msm

BENCHMARK_MAIN();
