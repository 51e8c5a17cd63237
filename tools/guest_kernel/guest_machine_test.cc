#include "tools/guest_kernel/guest_machine.h"

#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "simulator/pm4.h"
#include "tools/guest_kernel/mesa_client.h"

namespace nacre::guest_kernel {
namespace {

namespace wire = virtio_gpu::wire;
using virtio_gpu::MapCaching;

constexpr auto kPatience = std::chrono::seconds(30);

OneShot::Deadline Soon() {
  return std::chrono::steady_clock::now() + kPatience;
}

class GuestMachineTest : public testing::Test {
 protected:
  explicit GuestMachineTest(const GuestConfig& config = GuestConfig()) {
    auto machine = GuestMachine::Create(config);
    CHECK(machine.ok()) << machine.status();
    machine_ = *std::move(machine);
  }

  VirtioGpuDriver& gpu() { return machine_->gpu(); }
  const DriverCounters& counters() { return gpu().counters(); }
  uint64_t DeviceCount(wire::Type type) {
    return machine_->device_stats().commands(type).value();
  }
  uint64_t DeviceErrors() { return machine_->device_stats().total_errors(); }

  // A fenced command behind all that was queued: once it is back, they are.
  void Drain() {
    if (sweeper_ == nullptr) sweeper_ = gpu().CreateContext({6, 1, "sweeper"});
    auto fence = sweeper_->Submit({}, 0, /*fenced=*/true);
    ASSERT_TRUE(fence.ok()) << fence.status();
    ASSERT_TRUE((*fence)->Wait(Soon()));
  }

  std::unique_ptr<GuestMachine> machine_;
  std::unique_ptr<Context> sweeper_;
};

TEST_F(GuestMachineTest, ProbesAsLinux) {
  EXPECT_TRUE(gpu().has_host_visible());
  constexpr uint64_t k3d = wire::kFeatureVirgl | wire::kFeatureContextInit;
  EXPECT_EQ(gpu().features() & k3d, k3d);
  ASSERT_EQ(gpu().capsets().size(), 1u);
  EXPECT_EQ(gpu().capsets()[0].id, msm::VIRTIO_GPU_CAPSET_DRM);
  EXPECT_EQ(gpu().capsets()[0].max_size,
            sizeof(msm::virgl_renderer_capset_drm));
}

TEST_F(GuestMachineTest, AsksForACapsetOnce) {
  for (int i = 0; i < 3; ++i) {
    const auto bytes = gpu().GetCapset(msm::VIRTIO_GPU_CAPSET_DRM, 0);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const auto capset =
        ByteReader(*bytes).ReadZeroExtended<msm::virgl_renderer_capset_drm>();
    EXPECT_EQ(capset.wire_format_version, msm::kWireFormatVersion);
    EXPECT_EQ(capset.context_type, msm::VIRTGPU_DRM_CONTEXT_MSM);
  }
  EXPECT_EQ(DeviceCount(wire::Type::kGetCapset), 1u);
  EXPECT_EQ(gpu().GetCapset(4, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(gpu().GetCapset(msm::VIRTIO_GPU_CAPSET_DRM, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestMachineTest, AnUnknownChipIsNoMachine) {
  GuestConfig config;
  config.simulator.chip = "a200";
  EXPECT_EQ(GuestMachine::Create(config).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestMachineTest, ContextIdsAreTheSmallestFree) {
  auto first = gpu().CreateContext({6, 64, "first"});
  auto second = gpu().CreateContext({6, 64, "second"});
  EXPECT_EQ(first->id(), 1u);
  EXPECT_EQ(second->id(), 2u);
  first.reset();
  EXPECT_EQ(gpu().CreateContext({6, 64, "third"})->id(), 1u);
  Drain();
  EXPECT_EQ(DeviceErrors(), 0u);
}

TEST_F(GuestMachineTest, MapsBlobsWithoutWaiting) {
  MesaClient mesa(&gpu());
  const uint64_t before = counters().round_trips.value();
  std::vector<MesaClient::Buffer> buffers;
  for (int i = 0; i < 8; ++i)
    buffers.push_back(mesa.NewBuffer(kLargestPageSize));
  EXPECT_EQ(counters().round_trips.value(), before);
  for (size_t i = 0; i < buffers.size(); ++i) {
    mesa.Map(buffers[i]);
    EXPECT_EQ(buffers[i].memory.size, kLargestPageSize);
    EXPECT_EQ(buffers[i].memory.caching, MapCaching::kCached);
    buffers[i].word(0) = static_cast<uint32_t>(i);
  }
  for (size_t i = 0; i < buffers.size(); ++i) EXPECT_EQ(buffers[i].word(0), i);
  EXPECT_EQ(mesa.async_error(), 0u);
  EXPECT_EQ(DeviceErrors(), 0u);
}

TEST_F(GuestMachineTest, WhatIsNotMappableIsNotMapped) {
  MesaClient mesa(&gpu());
  const auto blob = mesa.context().CreateBlob({.flags = 0, .size = 1}, {});
  ASSERT_TRUE(blob.ok());
  EXPECT_FALSE((*blob)->mappable());
  EXPECT_EQ((*blob)->size(), HostPageSize());
  EXPECT_EQ((*blob)->WaitMapped().status().code(),
            absl::StatusCode::kInvalidArgument);
}

// Linux as well creates the object and fails its mmap.
TEST_F(GuestMachineTest, WhatTheDeviceRefusesFailsToMap) {
  MesaClient mesa(&gpu());
  const auto blob = mesa.context().CreateBlob(
      {.flags = wire::kBlobFlagUseMappable, .blob_id = 77, .size = 4096}, {});
  ASSERT_TRUE(blob.ok());
  gpu().Notify();
  EXPECT_EQ((*blob)->WaitMapped().status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_GT(counters().error_responses.value(), 0u);
}

TEST_F(GuestMachineTest, PlacesAreFreeAgainBehindUnref) {
  MesaClient mesa(&gpu());
  MesaClient::Buffer buffer = mesa.NewBuffer(kLargestPageSize);
  mesa.Map(buffer);
  const uint64_t offset = buffer.memory.offset;
  mesa.Close(std::move(buffer));
  Drain();
  EXPECT_EQ(DeviceCount(wire::Type::kResourceUnmapBlob), 1u);
  EXPECT_EQ(DeviceCount(wire::Type::kResourceUnref), 1u);
  MesaClient::Buffer next = mesa.NewBuffer(kLargestPageSize);
  mesa.Map(next);
  EXPECT_EQ(next.memory.offset, offset);
  EXPECT_EQ(DeviceErrors(), 0u);
}

class SmallWindowTest : public GuestMachineTest {
 protected:
  static GuestConfig Small() {
    GuestConfig config;
    config.window_bytes = 4 * kLargestPageSize;
    return config;
  }
  SmallWindowTest() : GuestMachineTest(Small()) {}
};

TEST_F(SmallWindowTest, AFullWindowIsNoSpace) {
  MesaClient mesa(&gpu());
  const auto blob = mesa.context().CreateBlob(
      {.flags = wire::kBlobFlagUseMappable, .size = 4 * kLargestPageSize}, {});
  EXPECT_EQ(blob.status().code(), absl::StatusCode::kResourceExhausted);
  Drain();
  // As Linux: the resource was created by then, and goes.
  EXPECT_EQ(DeviceCount(wire::Type::kResourceUnref), 1u);
}

TEST_F(GuestMachineTest, FencesOfTheGpuSignal) {
  MesaClient mesa(&gpu());
  const uint32_t queue = mesa.NewQueue(0);
  MesaClient::Buffer commands = mesa.NewBuffer(4096);
  MesaClient::Buffer result = mesa.NewBuffer(4096);
  mesa.Map(commands);
  mesa.Map(result);
  commands.word(0) = simulator::EncodeCommand(simulator::Opcode::kMemWrite, 3);
  commands.word(1) = msm::Low(result.iova);
  commands.word(2) = msm::High(result.iova);
  commands.word(3) = 0x1234;
  const MesaClient::Buffer* const others[] = {&result};
  mesa.AddSubmit(queue, commands, 4, others);
  const std::shared_ptr<Fence> fence = mesa.FlushFenced(1);
  EXPECT_EQ(fence->context(), mesa.context().ring_fence_context(1));
  ASSERT_TRUE(fence->Wait(Soon()));
  EXPECT_EQ(result.word(0), 0x1234u);
  EXPECT_EQ(mesa.async_error(), 0u);
}

TEST_F(GuestMachineTest, CommandsOfEverySizeArrive) {
  MesaClient mesa(&gpu());
  for (const size_t size : {0, 1, 3000, 3903, 3904, 3905, 100'000, 4'000'000}) {
    const std::vector<uint8_t> name(size, 'n');
    mesa.batch().Add(msm::MSM_CCMD_NOP, {}, name);
    mesa.batch().Add(msm::MSM_CCMD_NOP, {}, {});
    ASSERT_TRUE(mesa.FlushFenced(MesaClient::kCpuRing)->Wait(Soon()));
    EXPECT_EQ(mesa.seqno(), mesa.batch().seqno());
  }
  EXPECT_EQ(mesa.async_error(), 0u);
  const std::vector<uint8_t> large(VirtioGpuDriver::kMaxSubmitBytes + 1);
  EXPECT_EQ(mesa.context().Submit(large, 0, true).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestMachineTest, RingsThatAreNoneAreRefused) {
  const auto context = gpu().CreateContext({6, 2, "two rings"});
  EXPECT_TRUE(context->Submit({}, 1, true).ok());
  EXPECT_EQ(context->Submit({}, 2, true).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(GuestMachineTest, FencesWithoutRingAreGlobal) {
  const auto context = gpu().CreateContext({6, 2, "global"});
  const auto fence = context->Submit({}, std::nullopt, true);
  ASSERT_TRUE(fence.ok());
  EXPECT_EQ((*fence)->context(), gpu().global_fence_context());
  EXPECT_TRUE((*fence)->Wait(Soon()));
}

TEST_F(GuestMachineTest, FencesOutliveTheirContext) {
  std::shared_ptr<Fence> fence;
  {
    MesaClient mesa(&gpu());
    fence = mesa.FlushFenced(MesaClient::kCpuRing);
  }
  EXPECT_TRUE(fence->Wait(Soon()));
}

// A callback that drops a blob runs where nobody else makes room in the ring.
TEST_F(GuestMachineTest, BlobsMayGoInCallbacks) {
  MesaClient mesa(&gpu());
  constexpr uint64_t kRounds = 2000;  // More than the ring has places.
  OneShot last;
  for (uint64_t i = 0; i < kRounds; ++i) {
    auto blob = mesa.context().CreateBlob({.blob_id = 99, .size = 4096}, {});
    ASSERT_TRUE(blob.ok());
    const std::shared_ptr<Fence> fence = mesa.FlushFenced(MesaClient::kCpuRing);
    fence->OnSignal([blob = *std::move(blob), i, &last]() mutable {
      blob.reset();
      if (i == kRounds - 1) last.Set();
    });
  }
  EXPECT_NE(last.Wait(Soon()), OneShot::Outcome::kTimedOut);
  // What the callbacks left waiting follows as there is room.
  const OneShot::Deadline deadline = Soon();
  while (DeviceCount(wire::Type::kResourceUnref) < kRounds &&
         std::chrono::steady_clock::now() < deadline) {
    Drain();
  }
  EXPECT_EQ(DeviceCount(wire::Type::kResourceUnref), kRounds);
}

TEST_F(GuestMachineTest, ThreadsShareTheQueue) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      MesaClient mesa(&gpu());
      for (int i = 0; i < kRounds; ++i) {
        mesa.batch().Add(msm::MSM_CCMD_NOP, {});
        if (i % 8 != 0) {
          mesa.Flush();
          continue;
        }
        MesaClient::Buffer buffer = mesa.NewBuffer(4096);
        mesa.Map(buffer);
        buffer.word(0) = static_cast<uint32_t>(i);
        mesa.Close(std::move(buffer));
        EXPECT_TRUE(mesa.FlushFenced(MesaClient::kCpuRing)->Wait(Soon()));
      }
      EXPECT_EQ(mesa.async_error(), 0u);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(DeviceErrors(), 0u);
  EXPECT_EQ(counters().error_responses.value(), 0u);
}

}  // namespace
}  // namespace nacre::guest_kernel
