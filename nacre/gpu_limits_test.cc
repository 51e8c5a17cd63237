#include "nacre/gpu_limits.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace nacre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Gpu Parse(const std::string& limits) {
  Gpu config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "window_mib: 256 limits { " + limits + " }", &config));
  return config;
}

TEST(GpuLimitsTest, AreTheLayersOwnByDefault) {
  ASSERT_TRUE(ValidateGpuLimits(Gpu()).ok());
  const virtio_gpu::Limits device = DeviceLimitsOf(Gpu());
  EXPECT_EQ(device.max_contexts, virtio_gpu::Limits().max_contexts);
  EXPECT_EQ(device.max_resources, virtio_gpu::Limits().max_resources);
  EXPECT_EQ(device.max_attachments, virtio_gpu::Limits().max_attachments);
  EXPECT_EQ(device.max_pending_fences, virtio_gpu::Limits().max_pending_fences);
  EXPECT_EQ(device.max_mapped_blobs, virtio_gpu::Limits().max_mapped_blobs);
  EXPECT_EQ(device.max_mapped_bytes, virtio_gpu::Limits().max_mapped_bytes);
  EXPECT_EQ(device.log_lines_per_second,
            virtio_gpu::Limits().log_lines_per_second);
  const msm::Limits msm = MsmLimitsOf(Gpu());
  EXPECT_EQ(msm.max_files, msm::Limits().max_files);
  EXPECT_EQ(msm.max_control_memories, msm::Limits().max_control_memories);
  EXPECT_EQ(msm.max_objects, msm::Limits().max_objects);
  EXPECT_EQ(msm.max_object_bytes, msm::Limits().max_object_bytes);
  EXPECT_EQ(msm.max_context_object_bytes,
            msm::Limits().max_context_object_bytes);
  EXPECT_EQ(msm.max_submitqueues, msm::Limits().max_submitqueues);
  EXPECT_EQ(msm.max_unfinished_bytes, msm::Limits().max_unfinished_bytes);
  EXPECT_EQ(msm.max_context_unfinished_bytes,
            msm::Limits().max_context_unfinished_bytes);
}

TEST(GpuLimitsTest, GoWhereTheyBelong) {
  const Gpu config = Parse(
      "contexts: 1 native_contexts: 2 resources: 3 buffers_mib: 4 "
      "context_buffers_mib: 5 submitqueues: 6 pending_fences: 7 "
      "mapped_blobs: 8 mapped_mib: 9 log_lines_per_second: 0 "
      "unfinished_mib: 10 context_unfinished_mib: 11");
  ASSERT_TRUE(ValidateGpuLimits(config).ok());
  const virtio_gpu::Limits device = DeviceLimitsOf(config);
  EXPECT_EQ(device.max_contexts, 1u);
  EXPECT_EQ(device.max_resources, 3u);
  EXPECT_EQ(device.max_pending_fences, 7u);
  EXPECT_EQ(device.max_mapped_blobs, 8u);
  EXPECT_EQ(device.max_mapped_bytes, 9u << 20);
  EXPECT_EQ(device.log_lines_per_second, 0u);
  const msm::Limits msm = MsmLimitsOf(config);
  EXPECT_EQ(msm.max_files, 2u);
  EXPECT_EQ(msm.max_object_bytes, 4u << 20);
  EXPECT_EQ(msm.max_context_object_bytes, 5u << 20);
  EXPECT_EQ(msm.max_submitqueues, 6u);
  EXPECT_EQ(msm.max_unfinished_bytes, 10u << 20);
  EXPECT_EQ(msm.max_context_unfinished_bytes, 11u << 20);
}

TEST(GpuLimitsTest, ASimulatedGpuHasRoomForThem) {
  for (const Gpu& config :
       {Gpu(), Parse("buffers_mib: 1 unfinished_mib: 1"),
        Parse("buffers_mib: 16777216 unfinished_mib: 16777216")}) {
    simulator::SimulatorConfig simulator;
    MakeRoom(config, simulator);
    EXPECT_GE(simulator.memory_limit, MsmLimitsOf(config).max_object_bytes);
    EXPECT_GE(simulator.queue_limit, MsmLimitsOf(config).max_unfinished_bytes);
  }
}

// What no field names is in nobody's way.
TEST(GpuLimitsTest, OthersGoWithThem) {
  const Gpu config = Parse("native_contexts: 65536 resources: 1048576");
  ASSERT_TRUE(ValidateGpuLimits(config).ok());
  EXPECT_GE(MsmLimitsOf(config).max_control_memories, 65536u);
  const size_t attachments = DeviceLimitsOf(config).max_attachments;
  EXPECT_GE(attachments, 2u << 20);
  EXPECT_GE(MsmLimitsOf(config).max_objects, (1u << 20) + attachments);
  // Less is no less memory where there are contexts to share them.
  EXPECT_EQ(DeviceLimitsOf(Parse("resources: 1")).max_attachments,
            virtio_gpu::Limits().max_attachments);
}

TEST(GpuLimitsTest, WrongOnesAreNamedWithTheirRange) {
  const auto error = [](const std::string& limits) {
    return std::string(ValidateGpuLimits(Parse(limits)).message());
  };
  EXPECT_THAT(error("contexts: 0"), AllOf(HasSubstr("gpu.limits.contexts is 0"),
                                          HasSubstr("from 1 to 65536")));
  EXPECT_THAT(error("native_contexts: 65537"), HasSubstr("1 to 65536"));
  EXPECT_THAT(error("resources: 0"), HasSubstr("1 to 1048576"));
  EXPECT_THAT(error("buffers_mib: 16777217"), HasSubstr("1 to 16777216"));
  EXPECT_THAT(error("context_buffers_mib: 0"), HasSubstr("1 to 16777216"));
  EXPECT_THAT(error("submitqueues: 0"), HasSubstr("1 to 65536"));
  EXPECT_THAT(error("unfinished_mib: 0"), HasSubstr("1 to 16777216"));
  EXPECT_THAT(error("context_unfinished_mib: 0"),
              HasSubstr("context_unfinished_mib is 0"));
  EXPECT_THAT(error("pending_fences: 513"), HasSubstr("1 to 512"));
  EXPECT_THAT(error("mapped_blobs: 0"), HasSubstr("1 to 1000000"));
  EXPECT_THAT(error("mapped_mib: 257"), HasSubstr("1 to 256"));
  EXPECT_THAT(error("log_lines_per_second: 1001"), HasSubstr("0 to 1000"));
}

}  // namespace
}  // namespace nacre
