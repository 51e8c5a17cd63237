// GEM_SUBMIT, WAIT_FENCE and CPU_PREP as a driver meets them (abi C.5, C.7).

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "simulator/simulated_device.h"
#include "simulator/test_client.h"

namespace nacre::simulator {
namespace {

using msm::drm_msm_gem_submit_bo;
using msm::drm_msm_gem_submit_cmd;
using msm::SubmitRequest;

class GemSubmitTest : public testing::Test {
 protected:
  GemSubmitTest() : client_(*device_) {
    target_ = client_.NewBuffer();
    bos_ = {{.flags = msm::MSM_SUBMIT_BO_READ | msm::MSM_SUBMIT_BO_WRITE,
             .handle = target_.handle,
             .presumed = 0}};
    target_.Write(Stream().Command(Opcode::kNop, {}));
    cmds_ = {{.type = msm::MSM_SUBMIT_CMD_BUF,
              .submit_idx = 0,
              .submit_offset = 0,
              .size = 4,
              .pad = 0,
              .nr_relocs = 0,
              .relocs = 0}};
  }

  msm::DrmFile& file() { return client_.file(); }
  // Submits what the members say.
  absl::StatusOr<Fd> Submit() {
    return file().GemSubmit({.flags = flags_,
                             .queue_id = queue_,
                             .fence = fence_,
                             .bos = bos_,
                             .cmds = cmds_});
  }
  // Keeps the GPU busy until Release.
  Fd Block(Client& client) {
    blocker_ = client.NewBuffer();
    return client.Submit(Stream().Command(
        Opcode::kWaitMemGte, {0, Low(blocker_.iova), High(blocker_.iova), 1}));
  }
  void Release() {
    __atomic_store_n(blocker_.dwords().data(), 1, __ATOMIC_RELEASE);
  }

  std::unique_ptr<SimulatedDevice> device_ =
      SimulatedDevice::Create({.hang_timeout = std::chrono::seconds(20)})
          .value();
  Client client_;
  ClientBuffer target_;
  ClientBuffer blocker_;
  uint32_t flags_ = msm::MSM_PIPE_3D0;
  uint32_t queue_ = 0;
  uint32_t fence_ = 1000;
  std::vector<drm_msm_gem_submit_bo> bos_;
  std::vector<drm_msm_gem_submit_cmd> cmds_;
};

TEST_F(GemSubmitTest, NothingToDoIsAPureFence) {
  bos_.clear();
  cmds_.clear();
  const absl::StatusOr<Fd> fence = Submit();
  ASSERT_TRUE(fence.ok());
  WaitFor(*fence);
}

TEST_F(GemSubmitTest, FlagsOtherThanKnownOnesAreEinval) {
  for (const uint32_t flags :
       {0u, 0x11u, msm::MSM_PIPE_3D0 | 0x00010000,
        msm::MSM_PIPE_3D0 | msm::MSM_SUBMIT_SUDO,
        msm::MSM_PIPE_3D0 | msm::MSM_SUBMIT_FENCE_FD_IN}) {
    flags_ = flags;
    EXPECT_EQ(ErrnoOf(Submit()), EINVAL) << flags;
  }
  // As turnip's submits through virtio have them, without any syncobj.
  flags_ = msm::MSM_PIPE_3D0 | msm::MSM_SUBMIT_NO_IMPLICIT |
           msm::MSM_SUBMIT_SYNCOBJ_IN | msm::MSM_SUBMIT_SYNCOBJ_OUT |
           msm::MSM_SUBMIT_FENCE_SN_IN | msm::MSM_SUBMIT_FENCE_FD_OUT;
  EXPECT_TRUE(Submit().ok());
}

TEST_F(GemSubmitTest, UnknownQueueIsEnoentAfterTheFlags) {
  queue_ = 7;
  EXPECT_EQ(ErrnoOf(Submit()), ENOENT);
  flags_ = 0;
  EXPECT_EQ(ErrnoOf(Submit()), EINVAL);
  flags_ = msm::MSM_PIPE_3D0 | msm::MSM_SUBMIT_FENCE_FD_IN;
  EXPECT_EQ(ErrnoOf(Submit()), ENOENT);
}

TEST_F(GemSubmitTest, BufferFlagsNeedReadOrWrite) {
  for (const uint32_t flags : {0u, msm::MSM_SUBMIT_BO_DUMP, 0x11u}) {
    bos_[0].flags = flags;
    EXPECT_EQ(ErrnoOf(Submit()), EINVAL) << flags;
  }
}

// Not ENOENT, as other calls have it.
TEST_F(GemSubmitTest, UnknownHandleIsEinval) {
  bos_[0].handle = 99;
  EXPECT_EQ(ErrnoOf(Submit()), EINVAL);
}

TEST_F(GemSubmitTest, BufferListedTwiceIsEalready) {
  bos_.push_back(bos_[0]);
  EXPECT_EQ(ErrnoOf(Submit()), EALREADY);
  // Checked after the commands' types, before their places.
  cmds_[0].submit_idx = 9;
  EXPECT_EQ(ErrnoOf(Submit()), EALREADY);
  cmds_[0].type = 0;
  EXPECT_EQ(ErrnoOf(Submit()), EINVAL);
}

TEST_F(GemSubmitTest, CommandsMustBeWholeDwordsWithinABuffer) {
  const drm_msm_gem_submit_cmd good = cmds_[0];
  const auto result_with = [&](auto change) {
    cmds_[0] = good;
    change(cmds_[0]);
    return ErrnoOf(Submit());
  };
  EXPECT_EQ(result_with([](auto& cmd) { cmd.type = 4; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.size = 6; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.size = 0; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.submit_idx = 1; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.submit_offset = 4096; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.size = 4100; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.submit_offset = ~3u; }), EINVAL);
  EXPECT_EQ(result_with([](auto& cmd) { cmd.nr_relocs = 1; }), EINVAL);
}

TEST_F(GemSubmitTest, FenceNumberIsCheckedLast) {
  fence_ = 0;
  EXPECT_EQ(ErrnoOf(Submit()), EINVAL);
  bos_.push_back(bos_[0]);
  EXPECT_EQ(ErrnoOf(Submit()), EALREADY);
}

TEST_F(GemSubmitTest, FenceNumberInFlightIsEinvalUntilItIsDone) {
  const Fd blocked = Block(client_);
  const absl::StatusOr<Fd> first = Submit();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(ErrnoOf(Submit()), EINVAL);
  // Other queues have numbers of their own.
  queue_ = file().SubmitqueueNew(0, 1).value();
  const absl::StatusOr<Fd> other = Submit();
  EXPECT_TRUE(other.ok());
  Release();
  WaitFor(*first);
  WaitFor(*other);
  EXPECT_TRUE(Submit().ok());
}

TEST_F(GemSubmitTest, ATargetBufferIsNotRunByItself) {
  target_.Write(Stream().Store(target_.iova + 64, 5));
  cmds_[0].size = 16;
  cmds_[0].type = msm::MSM_SUBMIT_CMD_IB_TARGET_BUF;
  WaitFor(*Submit());
  EXPECT_EQ(target_.dwords()[16], 0u);
  ++fence_;
  cmds_[0].type = msm::MSM_SUBMIT_CMD_BUF;
  WaitFor(*Submit());
  EXPECT_EQ(target_.dwords()[16], 5u);
}

TEST_F(GemSubmitTest, RestoreBuffersRunAfterAnotherFileOnly) {
  // Counts its runs at dword 16.
  target_.Write(Stream()
                    .Command(Opcode::kRegRmw, {0x8c20 | 1u << 29, ~0u, 1})
                    .Command(Opcode::kRegToMem, {0x8c20, Low(target_.iova + 64),
                                                 High(target_.iova)}));
  cmds_[0].size = 32;
  cmds_[0].type = msm::MSM_SUBMIT_CMD_CTX_RESTORE_BUF;
  WaitFor(*Submit());
  ++fence_;
  WaitFor(*Submit());
  EXPECT_EQ(target_.dwords()[16], 1u);
  Client other(*device_);
  other.SubmitAndWait(Stream().Command(Opcode::kNop, {}));
  ++fence_;
  WaitFor(*Submit());
  EXPECT_EQ(target_.dwords()[16], 2u);
}

TEST_F(GemSubmitTest, BuffersWithoutAnIovaGetOne) {
  bos_[0].handle = file().GemNew(4096, msm::MSM_BO_WC).value();
  const Mapping mapping =
      Mapping::Shared(file().GemGetMemory(bos_[0].handle).value().fd, 0, 4096)
          .value();
  auto* dwords = reinterpret_cast<uint32_t*>(mapping.data());
  dwords[0] = EncodeCommand(Opcode::kNop, 0);
  WaitFor(*Submit());
  EXPECT_EQ(client_.Faults(), 0u);
}

// WAIT_FENCE.
TEST_F(GemSubmitTest, WaitFenceErrnos) {
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

TEST_F(GemSubmitTest, FenceDescriptorsStayReadable) {
  const Fd blocked = Block(client_);
  const absl::StatusOr<Fd> fence = Submit();
  EXPECT_FALSE(Signalled(*fence));
  Release();
  WaitFor(*fence);
  EXPECT_TRUE(Signalled(*fence));
  EXPECT_TRUE(Signalled(*fence));
}

// CPU_PREP.
TEST_F(GemSubmitTest, CpuPrepWaitsForTheRightSubmissions) {
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
TEST_F(GemSubmitTest, ASubmissionWaitsForOtherFilesUseOfItsBuffers) {
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
TEST_F(GemSubmitTest, AHangCountsInItsQueueAndItsFileAndOthersGoOn) {
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
TEST_F(GemSubmitTest, AccessOutsideMappingsIsNoFault) {
  client_.SubmitAndWait(Stream().Store(0x1000, 1).Store(target_.iova + 8, 7));
  EXPECT_EQ(target_.dwords()[2], 7u);
  EXPECT_EQ(client_.Faults(), 0u);
  EXPECT_EQ(device_->stats().command_processor.unmapped_writes, 1u);
}

// abi C.5: objects live until the submissions that use them are done.
TEST_F(GemSubmitTest, AClosedBufferLivesUntilItsSubmissionIsDone) {
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
