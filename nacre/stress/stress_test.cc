// Programs that make contexts and buffers, submit, wait, map, unmap and die,
// all at once, while their kernel resets the device under them: for the races
// between the device's thread, its fences, the GPU and a reset. Under TSan, if
// it is to find any.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "gtest/gtest.h"
#include "nacre/stress/programs.h"
#include "nacre/stress/shared_driver.h"
#include "simulator/simulated_device.h"

namespace nacre {
namespace {

constexpr int kPrograms = 6;
constexpr auto kDuration = std::chrono::seconds(1);
constexpr uint64_t kCallsBetweenResets = 2500;

size_t CountFds() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

TEST(StressTest, ProgramsAndResetsAllAtOnce) {
  const size_t fds = CountFds();
  {
    auto gpu = *simulator::SimulatedDevice::Create({});
    auto type = *msm::MsmContextType::Create(*gpu);
    const msm::Counters& counters = type->counters();
    std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
    types.push_back(std::move(type));
    virtio_gpu::VirtioGpu::Config config;
    config.window_bytes = uint64_t{16} << 20;
    const auto device = *virtio_gpu::VirtioGpu::Create(
        config, std::move(types),
        std::make_unique<virtio_gpu::HeadlessSink>(
            virtio_gpu::HeadlessSink::Keep::kCounts));
    SharedDriver driver(device.get());
    const std::span<uint8_t> window =
        device->shared_memory_regions().at(0).host;

    const auto end = std::chrono::steady_clock::now() + kDuration;
    std::atomic<bool> done = false;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kPrograms; ++i) {
      threads.emplace_back([&, i] {
        Programs programs(driver, window, i, kPrograms);
        while (!done) programs.RunOne();
      });
    }
    uint64_t resets = 0;
    while (std::chrono::steady_clock::now() < end) {
      if (driver.answers() < (resets + 1) * kCallsBetweenResets) {
        std::this_thread::yield();
        continue;
      }
      driver.Reset();
      ++resets;
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    driver.Reset();

    const virtio_gpu::Stats& stats = device->stats();
    EXPECT_GT(resets, 0u);
    EXPECT_GT(stats.contexts_created.value(), 50u);
    EXPECT_GT(counters.submits.value(), 100u);
    EXPECT_GT(counters.objects_imported.value(), 0u);
    EXPECT_GT(stats.fences_waited.value(), 0u);
    EXPECT_GT(stats.mapped_blobs.peak(), 1u);
    std::cout << driver.answers() << " answers, " << resets << " resets, "
              << stats.contexts_created.value() << " contexts, "
              << counters.submits.value() << " submits, "
              << stats.fences_waited.value() << " fences\n";

    EXPECT_EQ(stats.contexts.value(), 0u);
    EXPECT_EQ(stats.resources.value(), 0u);
    EXPECT_EQ(stats.mapped_blobs.value(), 0u);
    EXPECT_EQ(stats.fences_pending.value(), 0u);
    EXPECT_EQ(counters.files.value(), 0u);
    EXPECT_EQ(counters.objects.value(), 0u);
    EXPECT_EQ(counters.object_bytes.value(), 0u);
    EXPECT_EQ(counters.control_memories.value(), 0u);
  }
  EXPECT_EQ(CountFds(), fds);
}

}  // namespace
}  // namespace nacre
