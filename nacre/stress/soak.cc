#include "nacre/stress/soak.h"

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nacre/gpu.h"
#include "nacre/gpu_backend.h"
#include "nacre/jailed_gpu.h"
#include "nacre/stress/programs.h"
#include "nacre/stress/shared_driver.h"
#include "proto/vm_config.pb.h"
#include "proto/vm_summary.pb.h"
#include "vmm/process_stats.h"

namespace nacre {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr auto kBetweenReports = std::chrono::seconds(10);
// For the GPU to end what a reset left to it.
constexpr auto kPatience = std::chrono::seconds(10);
constexpr uint64_t kWindowMib = 64;

SoakHoldings MeasureHoldings(const std::string& process) {
  SoakHoldings holdings;
  holdings.held = Holdings::Now({" /"}, process);
  holdings.held.WaitForThreads(0, 1000, process);
  holdings.all_mappings = Holdings::Now({""}, process).mappings;
  holdings.resident_kib = *vmm::MemoryBytesOf(process) / 1024;
  return holdings;
}

class Soaker {
 public:
  explicit Soaker(const SoakOptions& options) : options_(options) {
    Gpu config;
    config.set_device("sim:a660");
    config.set_window_mib(kWindowMib);
    // Programs do wrong on purpose.
    config.mutable_limits()->set_log_lines_per_second(0);
    if (options.jail) {
      config.set_jail("best-effort");
      auto gpu = *JailedGpu::Create(config);
      process_ = gpu->process().folder();
      gpu_ = std::move(gpu);
    } else {
      gpu_ = *GpuStack::Create(config, {});
    }
    driver_.emplace(&gpu_->device());
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
    while (gpu_->Summary().contexts_created() < contexts &&
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
    while (Left(gpu_->Summary()) != 0 && Clock::now() < end) {
      std::this_thread::yield();
    }
    // The fences of what was left then are closed by the next look at them.
    driver_->Reset();
    // Or what is free in between would count.
    malloc_trim(0);
  }

  SoakReport Report() {
    const GpuSummary summary = gpu_->Summary();
    return {.contexts = summary.contexts_created(),
            .blobs = summary.resources_created(),
            .submissions = summary.submissions(),
            .fences = summary.fences_completed(),
            .answers = driver_->answers(),
            .resets = resets_,
            .time = std::chrono::duration_cast<std::chrono::seconds>(
                Clock::now() - start_),
            .before = {},
            .after = Measure(),
            .left = Left(summary)};
  }

  SoakProcesses Measure() const {
    SoakProcesses processes = {.own = MeasureHoldings(Holdings::kSelf),
                               .gpu = std::nullopt};
    const struct mallinfo2 heap = mallinfo2();
    processes.own.heap_bytes = heap.uordblks + heap.hblkhd;
    if (!process_.empty()) processes.gpu = MeasureHoldings(process_);
    return processes;
  }

 private:
  std::span<uint8_t> window() {
    return gpu_->device().shared_memory_regions().at(0).host;
  }
  static uint64_t Left(const GpuSummary& summary) {
    return summary.contexts_now() + summary.resources_now() +
           summary.fences_now() + summary.mapped_bytes_now() +
           summary.gem_objects_now() + summary.native_contexts_now() +
           summary.simulator().buffers_now() + summary.simulator().files_now();
  }

  const SoakOptions options_;
  const Clock::time_point start_ = Clock::now();
  std::unique_ptr<GpuBackend> gpu_;
  std::string process_;  // Its folder; empty where that is this one.
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
  const SoakProcesses before = soaker.Measure();
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
