// What orders and follows submissions: WAIT_FENCE, CPU_PREP, implicit sync,
// hangs and faults (abi C.5 to C.9).

#include <array>
#include <cerrno>
#include <cstdint>

#include "simulator/submit_fixture.h"

namespace nacre::simulator {
namespace {

using msm::drm_msm_gem_submit_bo;
using GemSyncTest = SubmitFixture;

// WAIT_FENCE.
TEST_F(GemSyncTest, WaitFenceErrnos) {
  EXPECT_EQ(ErrnoOf(file().WaitFence(0, 0, 0x2)), EINVAL);
  EXPECT_EQ(ErrnoOf(file().WaitFence(9, 0, 0)), ENOENT);
  EXPECT_EQ(ErrnoOf(file().WaitFence(0, 1, 0)), EINVAL);  // None so far.
  EXPECT_TRUE(file().WaitFence(0, 0, msm::MSM_WAIT_FENCE_BOOST).ok());

  const Fd blocked = Block(client_);
  const absl::StatusOr<Fd> fence = Submit();
  ASSERT_TRUE(fence.ok());
  EXPECT_EQ(ErrnoOf(file().WaitFence(0, 1000, 0)), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(file().WaitFence(0, 1001, 0)), EINVAL);
  EXPECT_TRUE(file().WaitFence(0, 999, 0).ok());  // Never used.
  Release();
  WaitFor(*fence);
  EXPECT_TRUE(file().WaitFence(0, 1000, 0).ok());
}

TEST_F(GemSyncTest, FenceDescriptorsStayReadable) {
  const Fd blocked = Block(client_);
  const absl::StatusOr<Fd> fence = Submit();
  EXPECT_FALSE(Signalled(*fence));
  Release();
  WaitFor(*fence);
  EXPECT_TRUE(Signalled(*fence));
  EXPECT_TRUE(Signalled(*fence));
}

// CPU_PREP.
TEST_F(GemSyncTest, CpuPrepWaitsForTheRightSubmissions) {
  const Fd blocked = Block(client_);
  bos_[0].flags = msm::MSM_SUBMIT_BO_READ;
  const uint32_t read_by_gpu = file().GemNew(4096, msm::MSM_BO_WC).value();
  bos_.push_back(
      {.flags = msm::MSM_SUBMIT_BO_READ, .handle = read_by_gpu, .presumed = 0});
  const uint32_t unused = file().GemNew(4096, msm::MSM_BO_WC).value();
  const absl::StatusOr<Fd> fence = Submit();
  ASSERT_TRUE(fence.ok());
  EXPECT_TRUE(file().GemCpuPrep(read_by_gpu, msm::MSM_PREP_READ).ok());
  EXPECT_EQ(ErrnoOf(file().GemCpuPrep(read_by_gpu, msm::MSM_PREP_WRITE)),
            EBUSY);
  EXPECT_EQ(ErrnoOf(file().GemCpuPrep(blocker_.handle, msm::MSM_PREP_READ)),
            EBUSY);
  EXPECT_TRUE(file().GemCpuPrep(unused, msm::MSM_PREP_WRITE).ok());
  Release();
  WaitFor(*fence);
  EXPECT_TRUE(file().GemCpuPrep(read_by_gpu, msm::MSM_PREP_WRITE).ok());
  EXPECT_TRUE(file().GemCpuPrep(blocker_.handle, msm::MSM_PREP_READ).ok());
}

// Implicit sync between files, against the order of priorities.
TEST_F(GemSyncTest, ASubmissionWaitsForOtherFilesUseOfItsBuffers) {
  Client other(*device_);
  const uint32_t shared =
      other.file()
          .GemImport(file().GemExport(target_.handle).value().get())
          .value();
  Client busy(*device_);
  const Fd blocked = Block(busy);
  queue_ = file().SubmitqueueNew(0, 2).value();  // Low.
  const absl::StatusOr<Fd> writer = Submit();
  ASSERT_TRUE(writer.ok());

  const uint32_t high = other.file().SubmitqueueNew(0, 0).value();
  const drm_msm_gem_submit_bo read = {
      .flags = msm::MSM_SUBMIT_BO_READ, .handle = shared, .presumed = 0};
  const uint64_t retired = device_->stats().submissions_retired;
  const Fd reader = other.file()
                        .GemSubmit({.flags = msm::MSM_PIPE_3D0,
                                    .queue_id = high,
                                    .fence = 1,
                                    .bos = {&read, 1},
                                    .cmds = {}})
                        .value();
  EXPECT_EQ(device_->stats().submissions_retired, retired);
  Release();
  WaitFor(reader);
  EXPECT_TRUE(Signalled(*writer));
}

// Hangs (abi C.9).
TEST_F(GemSyncTest, AHangCountsInItsQueueAndItsFileAndOthersGoOn) {
  Client other(*device_);
  const uint32_t queue = file().SubmitqueueNew(0, 1).value();
  queue_ = queue;
  target_.dwords()[0] = 0;  // No packet.
  const absl::StatusOr<Fd> fence = Submit();
  WaitFor(*fence);  // Signals without an error.
  EXPECT_TRUE(file().WaitFence(queue, fence_, 0).ok());

  std::array<uint8_t, 4> faults{};
  const auto queue_faults = [&](uint32_t id) {
    file()
        .SubmitqueueQuery(id, msm::MSM_SUBMITQUEUE_PARAM_FAULTS, faults)
        .value();
    return faults[0];
  };
  EXPECT_EQ(queue_faults(queue), 1);
  EXPECT_EQ(queue_faults(0), 0);
  EXPECT_EQ(client_.Faults(), 1u);
  EXPECT_EQ(other.Faults(), 0u);
  EXPECT_EQ(device_->stats().faults, 1u);
  const ClientBuffer mine = other.NewBuffer();
  other.SubmitAndWait(Stream().Store(mine.iova, 3));
  EXPECT_EQ(mine.dwords()[0], 3u);
}

// abi C.6: faults of the SMMU neither count nor end the submission.
TEST_F(GemSyncTest, AccessOutsideMappingsIsNoFault) {
  client_.SubmitAndWait(Stream().Store(0x1000, 1).Store(target_.iova + 8, 7));
  EXPECT_EQ(target_.dwords()[2], 7u);
  EXPECT_EQ(client_.Faults(), 0u);
  EXPECT_EQ(device_->stats().command_processor.unmapped_writes, 1u);
}

// abi C.5: objects live until the submissions that use them are done.
TEST_F(GemSyncTest, AClosedBufferLivesUntilItsSubmissionIsDone) {
  const Fd blocked = Block(client_);
  const uint32_t handle = file().GemNew(4096, msm::MSM_BO_WC).value();
  bos_.push_back(
      {.flags = msm::MSM_SUBMIT_BO_READ, .handle = handle, .presumed = 0});
  const absl::StatusOr<Fd> fence = Submit();
  const uint64_t buffers = device_->stats().buffers;
  ASSERT_TRUE(file().GemClose(handle).ok());
  EXPECT_EQ(device_->stats().buffers, buffers);
  Release();
  WaitFor(*fence);
  EXPECT_EQ(device_->stats().buffers, buffers - 1);
}

}  // namespace
}  // namespace nacre::simulator
