#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "devices/virtio_gpu/msm/upload_mappings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// Guests that do what no Mesa does.

namespace nacre::msm {
namespace {

using testing::Each;

class ContextHostileTest : public ContextTestBase {
 protected:
  // What the guest finds where it had preset `room` for an answer.
  std::vector<uint8_t> Slot(uint32_t rsp_off, size_t size) const {
    const uint8_t* at = guest_->shmem() + guest_->rsp_mem_offset() + rsp_off;
    return {at, at + size};
  }
  void Preset(uint32_t rsp_off, uint32_t room, size_t fill) {
    uint8_t* at = guest_->shmem() + guest_->rsp_mem_offset() + rsp_off;
    std::memset(at, 0xee, fill);
    std::memcpy(at, &room, sizeof(room));
  }
};

TEST_F(ContextHostileTest, AFailedCommandAdvancesTheSeqnoAndShows) {
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA, {0, 1, 99, 0});
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), 1u);
  EXPECT_EQ(guest_->async_error(), 1u);
}

TEST_F(ContextHostileTest, CommandsBehindAFailedOneStillRun) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  const std::vector<uint8_t> data = {42, 0, 0, 0};
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {99, 0, 0, 4}, data);
  guest_->batch().Add(200, {});
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, 0xffff}, data);
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, 4}, data);
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), guest_->batch().seqno());
  EXPECT_EQ(guest_->async_error(), 3u);
  EXPECT_EQ(counters().malformed.value(), 2u);
  EXPECT_EQ(guest_->Map(buffer).data()[0], 42);
}

TEST_F(ContextHostileTest, ABrokenLengthEndsTheStreamButNotTheWait) {
  guest_->batch().Add(MSM_CCMD_NOP, {});
  const uint32_t broken = guest_->batch().Add(MSM_CCMD_NOP, {});
  const uint32_t length = 0x7ffffff0;
  std::memcpy(guest_->batch().bytes().data() + 20, &length, sizeof(length));
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), broken);
  EXPECT_EQ(guest_->async_error(), 1u);
  // The next stream is unharmed.
  const uint32_t next = guest_->batch().Add(MSM_CCMD_NOP, {});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), next);
}

TEST_F(ContextHostileTest, AStreamThatEndsWithinAHeaderShows) {
  const uint32_t seqno = guest_->batch().Add(MSM_CCMD_NOP, {});
  guest_->batch().bytes().resize(16 + 12);
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), seqno);
  EXPECT_EQ(guest_->async_error(), 1u);
}

TEST_F(ContextHostileTest, AStreamOfTooManyCommandsIsNotRun) {
  const auto flush = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) guest_->batch().Add(MSM_CCMD_NOP, {});
    return guest_->Flush(/*fence_ring=*/0).code();
  };
  EXPECT_EQ(flush(kMaxCcmds), absl::StatusCode::kOk);
  EXPECT_EQ(guest_->seqno(), kMaxCcmds);
  EXPECT_EQ(flush(kMaxCcmds + 1), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(guest_->seqno(), kMaxCcmds);
  EXPECT_EQ(guest_->async_error(), 1u);
  EXPECT_EQ(flush(1), absl::StatusCode::kOk);
  EXPECT_EQ(guest_->seqno(), guest_->batch().seqno());
}

// Of few commands.
TEST_F(ContextHostileTest, ALongStreamIsRun) {
  const uint32_t buffer = *guest_->NewBuffer(HostPageSize(), kIova);
  const std::vector<uint8_t> data(HostPageSize(), 1);
  for (size_t size = 0; size <= kMaxCcmds * sizeof(vdrm_ccmd_req);
       size += data.size()) {
    guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, Low(data.size())},
                        data);
  }
  EXPECT_TRUE(guest_->Flush().ok());
}

TEST_F(ContextHostileTest, MalformedRequestsThatHaveAnAnswerGetOne) {
  // A stream cut inside a synchronous command.
  Preset(0, 16, 16);
  guest_->batch().Add(MSM_CCMD_WAIT_FENCE, {1, 2}, {}, 0);
  guest_->batch().bytes().resize(20);
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), 1u);
  EXPECT_THAT(Slot(0, 8),
              testing::ElementsAre(8, 0, 0, 0, 0xea, 0xff, 0xff, 0xff));
}

TEST_F(ContextHostileTest, ResponsesNeverLeaveTheArea) {
  const uint32_t area = Guest::kShmemSize - guest_->rsp_mem_offset();
  Preset(area - 8, 8, 8);
  guest_->batch().Add(MSM_CCMD_WAIT_FENCE, {99, 1}, {}, area - 8);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(Slot(area - 8, 1)[0], 8);
  uint32_t errors = 0;
  for (const uint32_t rsp_off : {area - 7, area - 4, area, area + 1,
                                 0x7fffffffu, 0xfffffff0u, 0xffffffffu}) {
    const uint32_t seqno =
        guest_->batch().Add(MSM_CCMD_WAIT_FENCE, {99, 1}, {}, rsp_off);
    EXPECT_FALSE(guest_->Flush().ok());
    EXPECT_EQ(guest_->seqno(), seqno);
    EXPECT_EQ(guest_->async_error(), ++errors);
  }
}

TEST_F(ContextHostileTest, AWildResponseOffsetIsFineWhereThereIsNoResponse) {
  guest_->batch().Add(MSM_CCMD_NOP, {}, {}, 0xffffffff);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextHostileTest, AQueueWhoseIdCannotBeToldIsNotMade) {
  const drm_msm_submitqueue queue = {.flags = 0, .prio = 0, .id = 0};
  guest_->batch().Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_NEW},
                      AsBytes(queue), 0xfffffff0);
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(device_.queues(), 0u);
}

// A handler that fails after another had an answer ready.
TEST_F(ContextHostileTest, AnswersDoNotTurnUpInOtherCommandsSlots) {
  Preset(0, 16, 16);
  Preset(64, 16, 16);
  guest_->batch().Add(MSM_CCMD_SUBMITQUEUE_QUERY, {99, 0, 4}, {}, 0);
  guest_->batch().Add(MSM_CCMD_NOP, {}, {}, 64);
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA, {0, 1, 99, 0}, {}, 64);
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(Slot(0, 1)[0], 16);
  const std::vector<uint8_t> untouched = Slot(64, 16);
  EXPECT_EQ(untouched[0], 16);
  EXPECT_THAT(std::span(untouched).subspan(4), Each(0xee));
}

TEST_F(ContextHostileTest, ScribblingOverTheControlMemoryOnlyHurtsTheGuest) {
  std::memset(guest_->shmem(), 0xff, Guest::kShmemSize);
  const uint32_t seqno = guest_->batch().Add(MSM_CCMD_NOP, {});
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA, {0, 1, 99, 0});
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), seqno + 1);
  EXPECT_EQ(guest_->async_error(), 1u);
}

TEST_F(ContextHostileTest, OnlyWholeIoctlCodesOfTheListAreTaken) {
  const size_t before = device_.calls(DrmCall::kGetParam);
  for (const uint32_t code : {
           DRM_IOCTL_MSM_GET_PARAM ^ 0x40000000u,  // Other direction.
           DRM_IOCTL_MSM_GET_PARAM ^ 0x80000000u,
           DRM_IOCTL_MSM_GET_PARAM ^ 0x00080000u,  // Other sizes.
           DRM_IOCTL_MSM_GET_PARAM | 0x3fff0000u,
           DRM_IOCTL_MSM_GET_PARAM ^ 0x00000100u,  // Other type.
           0x40u,
           0u,
           0xffffffffu,
           DRM_IOCTL_MSM_SET_PARAM,
           DRM_IOCTL_MSM_GEM_NEW,
           DRM_IOCTL_MSM_GEM_INFO,
           DRM_IOCTL_MSM_GEM_SUBMIT,
           DRM_IOCTL_MSM_WAIT_FENCE,
           DRM_IOCTL_MSM_SUBMITQUEUE_QUERY,
       }) {
    std::vector<uint8_t> argument(24);
    EXPECT_EQ(guest_->IoctlBytes(code, argument), -EINVAL) << code;
  }
  EXPECT_EQ(device_.calls(DrmCall::kGetParam), before);
  EXPECT_EQ(device_.queues(), 0u);
  EXPECT_EQ(counters().refused_ioctls.value(), 14u);
}

TEST_F(ContextHostileTest, AShortIoctlArgumentReadsAsZero) {
  std::vector<uint8_t> nothing;
  // Pipe 0.
  EXPECT_EQ(guest_->IoctlBytes(DRM_IOCTL_MSM_GET_PARAM, nothing), -EINVAL);
  EXPECT_EQ(guest_->IoctlBytes(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, nothing),
            -ENOENT);
}

TEST_F(ContextHostileTest, GetParamTakesNoPointers) {
  drm_msm_param param = {.pipe = MSM_PIPE_3D0,
                         .param = MSM_PARAM_FAULTS,
                         .value = 0x1234,
                         .len = 8,
                         .pad = 0};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_GET_PARAM, param), -EINVAL);
  param = {.pipe = MSM_PIPE_3D0,
           .param = MSM_PARAM_FAULTS,
           .value = 0,
           .len = 0,
           .pad = 1};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_GET_PARAM, param), -EINVAL);
}

TEST_F(ContextHostileTest, SubmitqueueFlagsAndPrioritiesAreChecked) {
  for (const uint32_t prio : {3u, 62u, 63u, 64u, 0xffu, 0xffffffffu}) {
    drm_msm_submitqueue queue = {.flags = 0, .prio = prio, .id = 0};
    EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), -EINVAL);
  }
  // VM_BIND among them.
  for (const uint32_t flags : {2u, 3u, 0x80000000u}) {
    const size_t before = device_.calls(DrmCall::kSubmitqueueNew);
    drm_msm_submitqueue queue = {.flags = flags, .prio = 0, .id = 0};
    EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), -EINVAL);
    EXPECT_EQ(device_.calls(DrmCall::kSubmitqueueNew), before);
  }
}

TEST_F(ContextHostileTest, SubmitqueuesAreCapped) {
  for (size_t i = 0; i < Limits().max_submitqueues; ++i) guest_->NewQueue(0);
  drm_msm_submitqueue queue = {.flags = 0, .prio = 0, .id = 0};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), -ENOSPC);
  uint32_t id = 1;
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, id), 0);
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), 0);
}

TEST_F(ContextHostileTest, TheDriversOwnQueueCannotBeClosed) {
  uint32_t id = 0;
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, id), -ENOENT);
  EXPECT_TRUE(guest_->Submit({.queue_id = 0}).ok());
}

TEST_F(ContextHostileTest, ASubmitToAnUnknownOrClosedQueueIsRefused) {
  uint32_t queue = guest_->NewQueue(0);
  EXPECT_FALSE(guest_->Submit({.queue_id = queue + 1}).ok());
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, queue), 0);
  const size_t fds = CountFds();
  EXPECT_FALSE(guest_->Submit({.queue_id = queue}).ok());
  EXPECT_EQ(guest_->async_error(), 2u);
  EXPECT_EQ(device_.calls(DrmCall::kGemSubmit), 0u);
  EXPECT_EQ(CountFds(), fds);
}

TEST_F(ContextHostileTest, FlagsThatAreNotTheGuestsNeverReachTheDriver) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  ASSERT_TRUE(guest_
                  ->Submit({.flags = MSM_PIPE_3D0 | 0xffff0000,
                            .bos = {{0xfffffff3, buffer, ~uint64_t{0}}},
                            .cmds = {{MSM_SUBMIT_CMD_BUF, 0, 0, 4, 0xffffffff,
                                      0, ~uint64_t{0}}}})
                  .ok());
  const FakeSubmit& submit = device_.submits()[0];
  EXPECT_EQ(submit.flags, MSM_PIPE_3D0 | MSM_SUBMIT_NO_IMPLICIT);
  EXPECT_EQ(submit.bos[0].flags, 0x3u);
  EXPECT_EQ(submit.cmds[0].pad, 0u);
}

// The fake refuses bits it does not know, as the kernel does.
TEST_F(ContextHostileTest, BufferFlagsOutsideTheWiresAreDropped) {
  EXPECT_TRUE(
      guest_->NewBuffer(kPage, kIova, MSM_BO_WC | 0x80000000 | 0x8).ok());
}

// Kernels before Linux 6.8 write a line into the host's log for each.
TEST_F(ContextHostileTest, CachingThatTheDriverDoesNotKnowNeverReachesIt) {
  const size_t calls = device_.calls(DrmCall::kGemNew);
  for (const uint32_t flags :
       {0u, MSM_BO_SCANOUT, MSM_BO_UNCACHED, MSM_BO_UNCACHED | MSM_BO_WC,
        MSM_BO_CACHED | MSM_BO_WC, MSM_BO_CACHED | MSM_BO_CACHED_COHERENT,
        MSM_BO_CACHE_MASK}) {
    EXPECT_FALSE(guest_->NewBuffer(kPage, kIova, flags).ok()) << flags;
  }
  EXPECT_EQ(device_.calls(DrmCall::kGemNew), calls);
}

TEST(ContextOldGpuTest, CachedCoherentReachesNoDriverThatRefusesIt) {
  FakeDrmDevice device;
  device.set_cached_coherent(false);
  const auto type = *MsmContextType::Create(device);
  Guest guest(*type);
  const size_t calls = device.calls(DrmCall::kGemNew);
  const uint64_t iova = FakeDrmDevice::kVaStart;
  EXPECT_FALSE(guest.NewBuffer(4096, iova, MSM_BO_CACHED_COHERENT).ok());
  EXPECT_EQ(device.calls(DrmCall::kGemNew), calls);
  EXPECT_TRUE(guest.NewBuffer(4096, iova, MSM_BO_CACHED).ok());
}

TEST_F(ContextHostileTest, SubmitsThatTheKernelMustNotSeeAreRefused) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  EXPECT_FALSE(guest_->Submit({.flags = 0}).ok());
  EXPECT_FALSE(guest_->Submit({.flags = 0x11}).ok());
  EXPECT_FALSE(guest_->Submit({.fence = 0}).ok());
  EXPECT_FALSE(guest_->Submit({.fence = 0x80000000}).ok());
  EXPECT_FALSE(guest_->Submit({.bos = {{1, buffer + 1, 0}}}).ok());
  EXPECT_FALSE(guest_->Submit({.bos = {{1, Guest::kShmemResource, 0}}}).ok());
  EXPECT_FALSE(guest_
                   ->Submit({.bos = {{1, buffer, 0}},
                             .cmds = {{MSM_SUBMIT_CMD_BUF, 0, 0, 4, 0, 1, 64}}})
                   .ok());
  EXPECT_EQ(device_.calls(DrmCall::kGemSubmit), 0u);
  EXPECT_EQ(guest_->async_error(), 7u);
}

TEST_F(ContextHostileTest, AnAddressInUseIsRefusedAndNothingIsLeft) {
  ASSERT_TRUE(guest_->NewBuffer(kPage, kIova).ok());
  EXPECT_FALSE(guest_->NewBuffer(kPage, kIova).ok());
  EXPECT_EQ(guest_->async_error(), 1u);
  EXPECT_FALSE(guest_->NewBuffer(kPage, kIova - kPage).ok());
  EXPECT_FALSE(guest_->NewBuffer(kPage, kIova + 7).ok());
  EXPECT_EQ(device_.handles(), 1u);
}

// The kernel drops the old address when it refuses a different one.
TEST_F(ContextHostileTest, AfterAConflictTheOldAddressCanBeSetAgain) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA,
                      {Low(kIova + kPage), High(kIova), buffer, 0});
  EXPECT_FALSE(guest_->Flush().ok());
  EXPECT_EQ(device_.iova(1), 0u);
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA,
                      {Low(kIova), High(kIova), buffer, 0});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.iova(1), kIova);
}

TEST_F(ContextHostileTest, UploadsStayInTheBuffer) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  const std::vector<uint8_t> data(8, 0xaa);
  for (const uint32_t off :
       {static_cast<uint32_t>(kPage) - 7, static_cast<uint32_t>(kPage),
        0xfffffff8u, 0xffffffffu}) {
    guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, off, 8}, data);
    EXPECT_FALSE(guest_->Flush().ok()) << off;
  }
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 4088, 8}, data);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(counters().upload_bytes.value(), 8u);
}

TEST_F(ContextHostileTest, UploadsToManyBuffersDoNotUseUpMappings) {
  constexpr int kBuffers = 400;
  const std::vector<uint8_t> data(4, 1);
  const size_t before = CountMappings();
  for (int i = 0; i < kBuffers; ++i) {
    const uint32_t buffer = *guest_->NewBuffer(kPage, kIova + i * kPage);
    guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, 4}, data);
    ASSERT_TRUE(guest_->Flush().ok());
  }
  EXPECT_LE(CountMappings(), before + UploadMappings::kMappings + 8);
}

TEST_F(ContextHostileTest, AQueryForMoreThanThereIsIsCut) {
  const uint32_t queue = guest_->NewQueue(0);
  for (const uint32_t len : {0u, 1u, 4u, 65u, 0x10000u, 0xffffffffu}) {
    EXPECT_LE(guest_->Call(MSM_CCMD_SUBMITQUEUE_QUERY, {queue, 0, len}, {}, 256)
                  .size(),
              12u + 64u);
  }
}

}  // namespace
}  // namespace nacre::msm
