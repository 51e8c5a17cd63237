// GEM_SUBMIT as a driver meets it (abi C.7).

#include <cerrno>
#include <cstdint>

#include "simulator/submit_fixture.h"

namespace nacre::simulator {
namespace {

using msm::drm_msm_gem_submit_cmd;
using GemSubmitTest = SubmitFixture;

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

}  // namespace
}  // namespace nacre::simulator
