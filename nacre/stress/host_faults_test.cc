// A host that refuses, beneath the whole device: it is made, started, and has a
// guest's program run, with each call of the host failing in turn. Whichever it
// is, the device is made or says why not, every command is answered, the next
// program runs as if nothing had been, and at the end nothing is left.

#include "base/testing/host_faults.h"

#include <cerrno>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "base/testing/holdings.h"
#include "devices/virtio/testing/fake_driver.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nacre/testing/gpu_program.h"
#include "simulator/simulated_device.h"

namespace nacre {
namespace {

using testing::HasSubstr;
using testing::Not;
using virtio_gpu::VirtioGpu;

// The device with all that is below it.
struct Stack {
  static absl::StatusOr<std::unique_ptr<Stack>> Create(msm::DrmDevice& gpu) {
    auto stack = std::make_unique<Stack>();
    ASSIGN_OR_RETURN(auto type, msm::MsmContextType::Create(gpu));
    std::vector<std::unique_ptr<virtio_gpu::ContextType>> types;
    types.push_back(std::move(type));
    VirtioGpu::Config config;
    config.window_bytes = uint64_t{16} << 20;
    config.limits.log_lines_per_second = 0;
    ASSIGN_OR_RETURN(
        stack->device,
        VirtioGpu::Create(config, std::move(types),
                          std::make_unique<virtio_gpu::HeadlessSink>(
                              virtio_gpu::HeadlessSink::Keep::kCounts)));
    return stack;
  }
  std::unique_ptr<VirtioGpu> device;
};

// Runs `life` with each of the calls that it makes failing with each errno,
// once and from then on.
template <typename Life>
void FailEachCall(const Life& life) {
  uint64_t calls = 0;
  {
    // Twice: what is made once for the process is there then.
    life(HostFault::Plan());
    calls = life(HostFault::Plan());
  }
  std::cout << calls << " calls\n";
  ASSERT_GT(calls, 0u);
  const auto now = [] { return Holdings::Now({"/memfd:"}); };
  Holdings before = now();
  before.WaitForThreads(1, 200);
  for (const HostFault::Plan& plan : EachFault(calls)) {
    ASSERT_NO_FATAL_FAILURE(life(plan));
    Holdings after = now();
    after.WaitForThreads(before.threads);
    ASSERT_EQ(after, before)
        << "call " << plan.first << ", errno " << plan.error;
  }
}

TEST(HostFaultsTest, ADeviceIsMadeOrSaysWhyNot) {
  FailEachCall([](const HostFault::Plan& plan) {
    const HostFault fault(plan);
    const auto gpu = simulator::SimulatedDevice::Create({});
    const absl::Status status =
        gpu.ok() ? Stack::Create(**gpu).status() : gpu.status();
    // What it can do without, it does without.
    if (!status.ok()) {
      EXPECT_FALSE(fault.failed().empty()) << status;
      EXPECT_THAT(status.message(), Not(testing::IsEmpty()));
      EXPECT_THAT(status.message(), Not(HasSubstr("\n")));
    }
    return fault.calls();
  });
}

TEST(HostFaultsTest, AStartThatFailsIsTriedAgain) {
  int failed = 0;
  FailEachCall([&failed](const HostFault::Plan& plan) {
    const auto gpu = *simulator::SimulatedDevice::Create({});
    const auto stack = *Stack::Create(*gpu);
    virtio::FakeDriver driver(stack->device.get());
    uint64_t calls = 0;
    bool started = false;
    {
      const HostFault fault(plan);
      const absl::Status status = driver.Start();
      started = status.ok();
      if (!started) {
        EXPECT_FALSE(fault.failed().empty()) << status;
        EXPECT_THAT(status.message(), Not(testing::IsEmpty()));
        EXPECT_THAT(status.message(), Not(HasSubstr("\n")));
        ++failed;
      }
      calls = fault.calls();
    }
    if (started) {
      EXPECT_TRUE(GpuProgram(driver).Run());
    }
    driver.Reset();
    EXPECT_TRUE(driver.Start().ok());
    EXPECT_TRUE(GpuProgram(driver).Run());
    return calls;
  });
  EXPECT_GT(failed, 10);
}

TEST(HostFaultsTest, EveryCommandIsAnsweredAndTheNextProgramRuns) {
  int failed = 0;
  FailEachCall([&failed](const HostFault::Plan& plan) {
    const auto gpu = *simulator::SimulatedDevice::Create({});
    const auto stack = *Stack::Create(*gpu);
    virtio::FakeDriver driver(stack->device.get());
    EXPECT_TRUE(driver.Start().ok());
    uint64_t calls = 0;
    {
      const HostFault fault(plan);
      if (!GpuProgram(driver).Run()) {
        EXPECT_FALSE(fault.failed().empty());
        ++failed;
      }
      calls = fault.calls();
    }
    driver.Reset();
    EXPECT_TRUE(driver.Start().ok());
    EXPECT_TRUE(GpuProgram(driver).Run());
    driver.Reset();
    const virtio_gpu::Stats& stats = stack->device->stats();
    EXPECT_EQ(stats.contexts.value(), 0u);
    EXPECT_EQ(stats.resources.value(), 0u);
    EXPECT_EQ(stats.mapped_blobs.value(), 0u);
    EXPECT_EQ(stats.fences_pending.value(), 0u);
    EXPECT_EQ(gpu->stats().files_open, 0u);
    EXPECT_EQ(gpu->stats().buffers, 0u);
    return calls;
  });
  EXPECT_GT(failed, 10);
}

}  // namespace
}  // namespace nacre
