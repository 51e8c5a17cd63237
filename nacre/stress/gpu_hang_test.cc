// A GPU that a guest's program hangs, under real queues: whoever waits goes on,
// the program is told, and its neighbour knows nothing of it.

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "gtest/gtest.h"
#include "simulator/simulated_device.h"

namespace nacre {
namespace {

using msm::MsmDriver;
using virtio_gpu::wire::Type;

constexpr uint32_t kHanging = 1;
constexpr uint32_t kNeighbour = 2;
constexpr uint32_t kBuffer = 20;
constexpr uint64_t kBufferPlace = 64 * kLargestPageSize;  // In the window.
constexpr uint8_t kRing = 2;                              // Of queue 0.

// GEM_SUBMIT of the first four dwords of a buffer, or of nothing (0), and the
// wait for its fence.
Type SubmitAndWait(MsmDriver& g, uint32_t context, uint32_t buffer,
                   uint32_t fence) {
  const msm::drm_msm_gem_submit_bo bo = {
      .flags = msm::MSM_SUBMIT_BO_READ, .handle = buffer, .presumed = 0};
  const msm::drm_msm_gem_submit_cmd cmd = {.type = msm::MSM_SUBMIT_CMD_BUF,
                                           .submit_idx = 0,
                                           .submit_offset = 0,
                                           .size = 16,
                                           .pad = 0,
                                           .nr_relocs = 0,
                                           .relocs = 0};
  std::vector<uint8_t> arrays;
  if (buffer != 0) {
    for (const std::span<const uint8_t> part : {AsBytes(bo), AsBytes(cmd)}) {
      arrays.insert(arrays.end(), part.begin(), part.end());
    }
  }
  const uint32_t count = buffer != 0 ? 1 : 0;
  msm::CcmdStream stream;
  stream.Add(msm::MSM_CCMD_GEM_SUBMIT,
             {msm::MSM_PIPE_3D0, 0, count, count, fence}, arrays);
  return g.Call(
      virtio_gpu::SubmitRequest(context, stream.bytes()).Fence(fence, kRing));
}

TEST(GpuHangTest, ItsProgramIsToldAndTheOthersGoOn) {
  const auto gpu = *simulator::SimulatedDevice::Create({});
  MsmDriver g(*gpu);
  for (const uint32_t context : {kHanging, kNeighbour}) {
    ASSERT_EQ(g.CreateContext(context), Type::kOkNodata);
    g.CreateShmem(context);
  }
  ASSERT_EQ(g.NewBuffer(kHanging, kBuffer), Type::kOkNodata);
  ASSERT_EQ(g.Call(virtio_gpu::MapRequest(kBuffer, kBufferPlace)),
            Type::kOkMapInfo);
  // No packet of any type.
  std::memset(g.window() + kBufferPlace, 0xff, 16);

  for (uint32_t hang = 1; hang <= 3; ++hang) {
    EXPECT_EQ(SubmitAndWait(g, kHanging, kBuffer, 2 * hang), Type::kOkNodata);
    EXPECT_EQ(g.shmem(kHanging).global_faults, hang);
    EXPECT_EQ(gpu->stats().faults, hang);
    EXPECT_EQ(SubmitAndWait(g, kHanging, 0, 2 * hang + 1), Type::kOkNodata);
    EXPECT_EQ(SubmitAndWait(g, kNeighbour, 0, hang), Type::kOkNodata);
    EXPECT_EQ(g.shmem(kNeighbour).global_faults, 0u);
  }
  EXPECT_EQ(g.shmem(kHanging).async_error, 0u);
  g.driver().Reset();
  EXPECT_EQ(gpu->stats().files_open, 0u);
  EXPECT_EQ(gpu->stats().buffers, 0u);
}

}  // namespace
}  // namespace nacre
