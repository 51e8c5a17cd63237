// Programs that make contexts, queues and buffers, submit, wait, hang, map,
// unmap and die, dozens at once, with a desktop beside them, while their kernel
// resets the device under them: for the races between the device's threads, its
// fences, the GPU and a reset, and, where the device is behind sockets, those
// of both ends. Under TSan, if it is to find any.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <latch>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "base/testing/holdings.h"
#include "devices/virtio/virtio_device.h"
#include "gtest/gtest.h"
#include "nacre/stress/desktop.h"
#include "nacre/stress/local_gpu.h"
#include "nacre/stress/programs.h"
#include "nacre/stress/remote_gpu.h"
#include "nacre/stress/shared_driver.h"

namespace nacre {
namespace {

constexpr uint32_t kThreads = 4;
constexpr uint32_t kProgramsOfThread = 12;
constexpr uint32_t kPrograms = kThreads * kProgramsOfThread;
// Not so long a time: a busy machine takes longer for the same.
constexpr uint64_t kResets = 5;
constexpr uint64_t kCallsBetweenResets = 4000;

LocalGpu::Options Options() {
  LocalGpu::Options options;
  options.simulator.reset_time = std::chrono::milliseconds(1);
  // So long that whoever asks for a fence at once has to wait.
  options.simulator.time_model.submission = std::chrono::microseconds(50);
  return options;
}

class StressTest : public testing::Test {
 protected:
  ~StressTest() override {
    Holdings after = Now();
    after.WaitForThreads(before_.threads);
    // Fewer where one of a test before was listed still.
    EXPECT_LE(after.threads, before_.threads);
    after.threads = before_.threads;
    EXPECT_EQ(after, before_);
  }

  // `gpu` is what is behind `device`.
  static void Stress(virtio::VirtioDevice& device, const LocalGpu& gpu);

 private:
  static Holdings Now() { return Holdings::Now({"/memfd:"}); }
  // TSan's runtime has made its own thread by the first of ours.
  const Holdings before_ = (std::thread([] {}).join(), Now());
};

void StressTest::Stress(virtio::VirtioDevice& device, const LocalGpu& gpu) {
  SharedDriver driver(&device);
  const std::span<uint8_t> window = device.shared_memory_regions().at(0).host;
  std::atomic<bool> done = false;
  std::latch all_begun(kThreads + 1);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      std::vector<Programs> programs;
      for (uint32_t j = 0; j < kProgramsOfThread; ++j) {
        programs.emplace_back(
            driver, window,
            Programs::Options{.number = i * kProgramsOfThread + j,
                              .count = kPrograms,
                              .hang = true});
        programs.back().Advance();
      }
      all_begun.arrive_and_wait();
      std::minstd_rand random(i);
      while (!done) programs[random() % kProgramsOfThread].Advance();
    });
  }
  threads.emplace_back([&] {
    Desktop desktop(driver, kPrograms);
    while (!done) desktop.Step();
  });
  all_begun.arrive_and_wait();
  EXPECT_EQ(gpu.stats().contexts.peak(), kPrograms);
  for (uint64_t i = 0; i < kResets; ++i) {
    const uint64_t end = driver.answers() + kCallsBetweenResets;
    while (driver.answers() < end) std::this_thread::yield();
    driver.Reset();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  driver.Reset();

  const virtio_gpu::Stats& stats = gpu.stats();
  const msm::Counters& counters = gpu.counters();
  using virtio_gpu::wire::Type;
  EXPECT_GT(counters.submits.value(), 100u);
  EXPECT_GT(counters.objects_imported.value(), 0u);
  EXPECT_EQ(counters.submitqueues.peak(), 2 * kPrograms);
  EXPECT_GT(stats.fences_waited.value(), 0u);
  EXPECT_GT(stats.mapped_blobs.peak(), 1u);
  EXPECT_GT(stats.image_bytes.peak(), 0u);
  EXPECT_GT(stats.commands(Type::kUpdateCursor).value(), 0u);
  EXPECT_GT(gpu.sink().frames_presented(), 0u);
  EXPECT_GT(gpu.simulator().stats().faults, 0u);
  std::cout << driver.answers() << " answers, "
            << stats.contexts_created.value() << " contexts, "
            << counters.submits.value() << " submits, "
            << stats.fences_waited.value() << " fences, "
            << stats.fences_pending.peak() << " at once, "
            << gpu.sink().frames_presented() << " frames, "
            << gpu.simulator().stats().faults << " hangs\n";
  // What a reset left to the GPU it ends.
  while (gpu.simulator().stats().buffers != 0) std::this_thread::yield();
  EXPECT_EQ(gpu.Left(), 0u);
}

TEST_F(StressTest, ProgramsADesktopAndResetsAllAtOnce) {
  LocalGpu gpu(Options());
  Stress(gpu.device(), gpu);
}

TEST_F(StressTest, TheSameOfADeviceBehindSockets) {
  RemoteGpu gpu(Options());
  Stress(gpu.device(), gpu.local());
  EXPECT_GT(gpu.device().relayed_interrupts(), 0u);
}

}  // namespace
}  // namespace nacre
