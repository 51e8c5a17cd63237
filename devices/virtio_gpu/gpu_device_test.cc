#include "devices/virtio_gpu/gpu_device.h"

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

namespace nacre::virtio_gpu {
namespace {

using wire::Type;

// What Linux does between DRIVER_OK and its first frame.
TEST(VirtioGpuTest, AnswersTheProbeOfALinuxDriver) {
  GpuDriver g;
  const auto info = g.CallFor<wire::CapsetInfo>(
      Request(Type::kGetCapsetInfo).With(wire::GetCapsetInfo{0, 0}),
      Type::kOkCapsetInfo);
  EXPECT_EQ(info.capset_id, FakeGpu::kCapsetId);
  EXPECT_EQ(info.capset_max_version, FakeGpu::kCapsetVersion);
  EXPECT_EQ(info.capset_max_size, sizeof(FakeGpu::kCapset));

  const auto edid = g.CallFor<wire::Edid>(
      Request(Type::kGetEdid).With(wire::GetEdid{0, 0}), Type::kOkEdid);
  EXPECT_EQ(edid.size, 128u);

  const auto display = g.CallFor<wire::DisplayInfo>(
      Request(Type::kGetDisplayInfo), Type::kOkDisplayInfo);
  EXPECT_EQ(display.modes[1].r.width, 640u);
  EXPECT_EQ(display.modes[1].r.height, 480u);
  EXPECT_EQ(display.modes[1].enabled, 1u);
  EXPECT_EQ(display.modes[2].enabled, 0u);
}

TEST(VirtioGpuTest, GivesACapsetBehindTheHeader) {
  GpuDriver g;
  const std::vector<uint8_t> response = g.CallBytes(
      Request(Type::kGetCapset).With(wire::GetCapset{FakeGpu::kCapsetId, 1}),
      sizeof(wire::CtrlHeader) + sizeof(FakeGpu::kCapset));
  ASSERT_EQ(response.size(), 29u);
  EXPECT_EQ(std::memcmp(&response[24], "nacre", 5), 0);
}

TEST(VirtioGpuTest, CarriesASubmissionToItsContext) {
  GpuDriver g;
  g.CreateContext(7);
  const FakeGpu::FakeCommand commands[] = {{FakeGpu::Op::kNop, 5}};
  EXPECT_EQ(g.Call(SubmitRequest(7, AsBytes(commands))), Type::kOkNodata);
  const auto contexts = g.gpu().contexts();
  ASSERT_TRUE(contexts.contains(7));
  EXPECT_EQ(contexts.at(7).name, "test");
  ASSERT_EQ(contexts.at(7).commands.size(), 1u);
  EXPECT_EQ(contexts.at(7).commands[0].ring, 5u);
}

TEST(VirtioGpuTest, MapsABlobIntoTheWindowAndTakesItAway) {
  GpuDriver g;
  g.CreateContext(1);
  g.CreateHostBlob(1, 2, 2 * kLargestPageSize);
  const auto map = g.CallFor<wire::MapInfo>(MapRequest(2, kLargestPageSize),
                                            Type::kOkMapInfo);
  EXPECT_EQ(map.map_info, static_cast<uint32_t>(MapCaching::kCached));
  g.window()[kLargestPageSize] = 99;
  EXPECT_EQ(g.stats().mapped_bytes.value(), 2 * kLargestPageSize);
  EXPECT_EQ(g.Call(ResourceRequest(Type::kResourceUnmapBlob, 2)),
            Type::kOkNodata);
  EXPECT_EQ(g.window()[kLargestPageSize], 0);
  EXPECT_EQ(g.stats().mapped_bytes.value(), 0u);
  EXPECT_EQ(g.stats().mapped_bytes.peak(), 2 * kLargestPageSize);
  // The blob keeps what was written.
  g.CallFor<wire::MapInfo>(MapRequest(2, 0), Type::kOkMapInfo);
  EXPECT_EQ(g.window()[0], 99);
}

TEST(VirtioGpuTest, AnswersAFenceWithoutWorkAtOnce) {
  GpuDriver g;
  g.CreateContext(1);
  EXPECT_EQ(g.Call(SubmitRequest(1, {}).Fence(11, 3)), Type::kOkNodata);
  EXPECT_EQ(g.Call(Request(Type::kGetDisplayInfo).Fence(12)),
            Type::kOkDisplayInfo);
  EXPECT_EQ(g.gpu().fences(), 0u);
}

TEST(VirtioGpuTest, HoldsAFencedResponseUntilItsWorkIsDone) {
  GpuDriver g;
  g.CreateContext(1);
  g.Start(g.Work(1, 3, 11));
  g.gpu().WaitFences(1);
  // Other commands are answered meanwhile.
  EXPECT_EQ(g.stats().fences_completed.value(), 0u);
  EXPECT_TRUE(g.Idle());
  g.gpu().SignalFence(0);
  EXPECT_EQ(g.WaitFenceId(), 11u);
}

// As a driver older or simpler than Linux's might.
TEST(VirtioGpuTest, WorksWithoutEventIndexOrIndirectDescriptors) {
  for (const bool event_index : {false, true}) {
    for (const bool indirect : {false, true}) {
      virtio::FakeDriver::Options options;
      options.queue_size = 8;
      options.event_index = event_index;
      options.indirect = indirect;
      GpuDriver g(GpuDriver::DefaultConfig(), options);
      g.CreateContext(1);
      for (uint64_t id = 0; id < 200; id += 2) {
        g.Submit(SubmitRequest(1, {}).Fence(id, 1));
        g.Submit(SubmitRequest(1, {}).Fence(id + 1, 2));
        g.Kick();
        EXPECT_EQ(g.WaitFenceId(), id);
        EXPECT_EQ(g.WaitFenceId(), id + 1);
      }
    }
  }
}

std::vector<std::unique_ptr<ContextType>> TypesOf(FakeGpu& gpu, int count) {
  std::vector<std::unique_ptr<ContextType>> types;
  types.reserve(count);
  for (int i = 0; i < count; ++i) types.push_back(gpu.CreateType());
  return types;
}

absl::StatusOr<std::unique_ptr<VirtioGpu>> Create(
    const VirtioGpu::Config& config) {
  return VirtioGpu::Create(config, {}, std::make_unique<HeadlessSink>());
}

TEST(VirtioGpuCreateTest, OffersWhatItHas) {
  FakeGpu gpu;
  VirtioGpu::Config config;
  auto device = *VirtioGpu::Create(config, TypesOf(gpu, 1),
                                   std::make_unique<HeadlessSink>());
  EXPECT_EQ(device->device_id(), 16);
  EXPECT_EQ(device->device_features() & ~wire::kFeatureBlobAlignment, 0x1fu);
  EXPECT_EQ(device->max_queue_sizes().size(), 2u);
  const auto regions = device->shared_memory_regions();
  ASSERT_EQ(regions.size(), 1u);
  EXPECT_EQ(regions[0].id, 1);
  EXPECT_EQ(regions[0].host.size(), config.window_bytes);

  config.num_scanouts = 0;
  config.window_bytes = 0;
  device = *Create(config);
  EXPECT_EQ(device->device_features() & ~wire::kFeatureBlobAlignment,
            wire::kFeatureResourceUuid | wire::kFeatureResourceBlob);
  EXPECT_TRUE(device->shared_memory_regions().empty());
}

// 5.7.3.1: CONTEXT_INIT requires VIRGL.
TEST(VirtioGpuCreateTest, RefusesFeaturesWithoutWhatTheyNeed) {
  const auto device = *Create({});
  EXPECT_TRUE(device->AcceptsFeatures(0));
  EXPECT_TRUE(device->AcceptsFeatures(wire::kFeatureVirgl));
  EXPECT_TRUE(
      device->AcceptsFeatures(wire::kFeatureVirgl | wire::kFeatureContextInit));
  EXPECT_FALSE(device->AcceptsFeatures(wire::kFeatureContextInit));
}

TEST(VirtioGpuCreateTest, RefusesConfigsThatCannotBe) {
  const auto refused = [](auto change) {
    VirtioGpu::Config config;
    change(config);
    return Create(config).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& c) { c.num_scanouts = 17; }));
  EXPECT_TRUE(refused([](auto& c) { c.width = 0; }));
  EXPECT_TRUE(refused([](auto& c) { c.height = 4096; }));
  EXPECT_TRUE(refused([](auto& c) { c.window_bytes = 12345; }));
  FakeGpu gpu;
  EXPECT_FALSE(
      VirtioGpu::Create({}, TypesOf(gpu, 2), std::make_unique<HeadlessSink>())
          .ok());
  EXPECT_FALSE(VirtioGpu::Create({}, {}, nullptr).ok());
}

// 5.7.4, and any other access that a guest may try.
TEST(VirtioGpuCreateTest, ConfigReadsAreZeroBeyondItsEnd) {
  VirtioGpu::Config config;
  config.num_scanouts = 3;
  FakeGpu gpu;
  const auto device = *VirtioGpu::Create(config, TypesOf(gpu, 1),
                                         std::make_unique<HeadlessSink>());
  const auto read = [&device](uint64_t offset, size_t size) {
    std::vector<uint8_t> data(size, 0xee);
    device->ReadConfig(offset, data);
    return data;
  };
  using Bytes = std::vector<uint8_t>;
  EXPECT_EQ(read(0, 4), Bytes({0, 0, 0, 0}));
  EXPECT_EQ(read(8, 8), Bytes({3, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(read(12, 5), Bytes({1, 0, 0, 0, 0}));
  EXPECT_EQ(read(13, 1), Bytes({0}));
  EXPECT_EQ(read(20, 4), Bytes({0, 0, 0, 0}));
  EXPECT_EQ(read(UINT64_MAX, 4), Bytes({0, 0, 0, 0}));
  const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
  device->WriteConfig(4, ones);
  device->WriteConfig(UINT64_MAX, ones);
  EXPECT_EQ(read(8, 1), Bytes({3}));
}

TEST(VirtioGpuCreateTest, ActivationNeedsTheControlQueue) {
  const auto device = *Create({});
  EXPECT_EQ(device->Activate({}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace nacre::virtio_gpu
