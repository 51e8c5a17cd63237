#include "nacre/stress/soak.h"

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "nacre/stress/programs.h"
#include "nacre/stress/shared_driver.h"
#include "simulator/simulated_device.h"

namespace nacre {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr auto kBetweenReports = std::chrono::seconds(10);
// For the GPU to end what a reset left to it.
constexpr auto kPatience = std::chrono::seconds(10);
constexpr uint64_t kWindowBytes = uint64_t{64} << 20;

SoakHoldings MeasureHoldings() {
  SoakHoldings holdings;
  holdings.held = Holdings::Now({" /"});
  holdings.held.WaitForThreads(0, 1000);
  holdings.all_mappings = Holdings::Now({""}).mappings;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") status >> holdings.resident_kib;
  }
  const struct mallinfo2 heap = mallinfo2();
  holdings.heap_bytes = heap.uordblks + heap.hblkhd;
  return holdings;
}

class Soaker {
 public:
  explicit Soaker(const SoakOptions& options) : options_(options) {
    auto type = *msm::MsmContextType::Create(*gpu_);
    counters_ = &type->counters();
    std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
    types.push_back(std::move(type));
    virtio_gpu::VirtioGpu::Config config;
    config.window_bytes = kWindowBytes;
    config.limits.log_lines_per_second = 0;  // Programs do wrong on purpose.
    device_ = *virtio_gpu::VirtioGpu::Create(
        config, std::move(types),
        std::make_unique<virtio_gpu::HeadlessSink>(
            virtio_gpu::HeadlessSink::Keep::kCounts));
    driver_.emplace(device_.get());
  }

  // Until there have been so many contexts; leaves nothing of the guest.
  void RunUntil(uint64_t contexts,
                const std::function<void(const SoakReport&)>& progress) {
    std::atomic<bool> done = false;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < options_.programs; ++i) {
      threads.emplace_back([this, i, &done] {
        Programs programs(*driver_, window(),
                          {.number = i, .count = options_.programs});
        while (!done) programs.RunOne();
      });
    }
    Clock::time_point next_report = Clock::now() + kBetweenReports;
    uint64_t next_reset = driver_->answers() + options_.calls_between_resets;
    while (device_->stats().contexts_created.value() < contexts &&
           Clock::now() - start_ < options_.duration) {
      std::this_thread::sleep_for(kLook);
      if (driver_->answers() >= next_reset) {
        next_reset += options_.calls_between_resets;
        driver_->Reset();
        ++resets_;
      }
      if (progress && Clock::now() >= next_report) {
        next_report += kBetweenReports;
        progress(Report());
      }
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    driver_->Reset();
    const Clock::time_point end = Clock::now() + kPatience;
    while (Left() != 0 && Clock::now() < end) std::this_thread::yield();
    // Or what is free in between would count.
    malloc_trim(0);
  }

  SoakReport Report() const {
    const virtio_gpu::Stats& stats = device_->stats();
    return {.contexts = stats.contexts_created.value(),
            .objects = counters_->objects_created.value(),
            .blobs = stats.resources_created.value(),
            .submissions = counters_->submits.value(),
            .fences = stats.fences_waited.value(),
            .answers = driver_->answers(),
            .resets = resets_,
            .time = std::chrono::duration_cast<std::chrono::seconds>(
                Clock::now() - start_),
            .before = {},
            .after = MeasureHoldings(),
            .left = Left()};
  }

 private:
  std::span<uint8_t> window() {
    return device_->shared_memory_regions().at(0).host;
  }
  uint64_t Left() const {
    const virtio_gpu::Stats& stats = device_->stats();
    const simulator::SimulatorStats gpu = gpu_->stats();
    return stats.contexts.value() + stats.resources.value() +
           stats.mapped_blobs.value() + stats.fences_pending.value() +
           counters_->files.value() + counters_->objects.value() +
           counters_->control_memories.value() + gpu.files_open + gpu.buffers;
  }

  const SoakOptions options_;
  const Clock::time_point start_ = Clock::now();
  const std::unique_ptr<simulator::SimulatedDevice> gpu_ =
      *simulator::SimulatedDevice::Create({});
  const msm::Counters* counters_;
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
  std::optional<SharedDriver> driver_;
  uint64_t resets_ = 0;
};

}  // namespace

SoakReport Soak(const SoakOptions& options,
                const std::function<void(const SoakReport&)>& progress) {
  // One heap, of which mallinfo2 tells all; before there are threads.
  mallopt(M_ARENA_MAX, 1);
  Soaker soaker(options);
  soaker.RunUntil(options.warm_up_contexts, nullptr);
  const SoakHoldings before = MeasureHoldings();
  const auto with_before = [&before](SoakReport report) {
    report.before = before;
    return report;
  };
  soaker.RunUntil(options.contexts, [&](const SoakReport& report) {
    if (progress) progress(with_before(report));
  });
  return with_before(soaker.Report());
}

}  // namespace nacre
