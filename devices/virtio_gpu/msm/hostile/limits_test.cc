// Every limit of the device and of the context type, over real queues: what is
// within works, one more is refused with the error that the limit names, and
// what is given back can be had again.

#include "devices/virtio_gpu/msm/limits.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/hostile/device_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/unfinished_work.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::VirtioGpu;
using virtio_gpu::wire::Type;

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kBatch = 50;
// Of a GEM_SUBMIT of nothing, and of one bo and a thousand cmds.
constexpr uint64_t kSubmissionBytes =
    UnfinishedWork::BytesOf(sizeof(msm_ccmd_gem_submit_req));
constexpr uint64_t kTablesBytes = UnfinishedWork::BytesOf(
    sizeof(msm_ccmd_gem_submit_req) + sizeof(drm_msm_gem_submit_bo) +
    1000 * sizeof(drm_msm_gem_submit_cmd));
// In the window, behind all control memories.
constexpr uint64_t kBuffersOffset = 16 * kPage;
static_assert(kBuffersOffset >=
              (MsmDriver::kContexts + 1) * MsmDriver::kShmemSize);

class LimitsTest : public DeviceTestBase {
 protected:
  void Start(const virtio_gpu::Limits& device, const Limits& msm = {}) {
    VirtioGpu::Config config = MsmDriver::DefaultConfig();
    config.limits = device;
    DeviceTestBase::Start(config, MsmConfig{.limits = msm});
  }
  void Start(const Limits& msm) { Start({}, msm); }
  Type Unref(uint32_t resource_id) {
    return g_->OnResource(Type::kResourceUnref, 0, resource_id);
  }
  Type Map(uint32_t resource_id, uint64_t offset) {
    return g_->Call(
        virtio_gpu::MapRequest(resource_id, kBuffersOffset + offset));
  }
  // GEM_SUBMITs of nothing without a fence; how many are taken.
  uint64_t SubmitUntilRefused(uint32_t ctx_id) {
    uint64_t taken = 0;
    while (taken < 100'000 &&
           g_->Submit(ctx_id, ++fence_).type == Type::kOkNodata)
      ++taken;
    return taken;
  }
  // GEM_SUBMIT of one bo and a thousand cmds.
  Type SubmitTables(std::span<const uint8_t> tables) {
    CcmdStream stream;
    stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 1, 1000, ++fence_},
               tables);
    return g_->Call(virtio_gpu::SubmitRequest(1, stream.bytes()));
  }
  int32_t NewQueue(uint32_t ctx_id) {
    const drm_msm_submitqueue queue = {.flags = 0, .prio = 0, .id = 0};
    return g_
        ->Ccmd(ctx_id, MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_NEW},
               AsBytes(queue))
        .ret;
  }

  uint32_t fence_ = 0;
};

TEST_F(LimitsTest, OfContexts) {
  Start({.max_contexts = 2});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(g_->CreateContext(1), Type::kOkNodata);
    EXPECT_EQ(g_->CreateContext(2), Type::kOkNodata);
    EXPECT_EQ(g_->CreateContext(3), Type::kErrOutOfMemory);
    EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
    EXPECT_EQ(g_->CreateContext(3), Type::kOkNodata);
    g_->DestroyContext(2);
    g_->DestroyContext(3);
  }
}

TEST_F(LimitsTest, OfNativeContexts) {
  Start(Limits{.max_files = 2});
  EXPECT_EQ(g_->CreateContext(1), Type::kOkNodata);
  EXPECT_EQ(g_->CreateContext(2), Type::kOkNodata);
  EXPECT_EQ(g_->CreateContext(3), Type::kErrOutOfMemory);
  EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  EXPECT_EQ(g_->CreateContext(3), Type::kOkNodata);
}

TEST_F(LimitsTest, OfResources) {
  Start({.max_resources = 3});
  StartContext(1);  // Its control memory is one.
  EXPECT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 21), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 22), Type::kErrOutOfMemory);
  EXPECT_EQ(Unref(20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 23), Type::kOkNodata);
}

TEST_F(LimitsTest, OfBuffersOfAllContexts) {
  Start(Limits{.max_object_bytes = 4 * kPage});
  StartContext(1);
  StartContext(2);
  EXPECT_EQ(g_->NewBuffer(1, 20, 3 * kPage), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(2, 21, kPage), Type::kOkNodata);
  EXPECT_EQ(g_->shmem(2).async_error, 0u);
  // There is no object for the blob, and Mesa is told.
  EXPECT_EQ(g_->NewBuffer(2, 22, kPage), Type::kErrInvalidParameter);
  EXPECT_EQ(g_->shmem(2).async_error, 1u);
  // Ends with its context and its blob.
  EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  EXPECT_EQ(Unref(20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(2, 23, 3 * kPage), Type::kOkNodata);
}

TEST_F(LimitsTest, OfHandlesOfAllContexts) {
  Start(Limits{.max_objects = 2});
  StartContext(1);
  StartContext(2);
  EXPECT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 21), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 22), Type::kErrInvalidParameter);
  EXPECT_EQ(g_->shmem(1).async_error, 1u);
  EXPECT_EQ(g_->OnResource(Type::kCtxAttachResource, 2, 20),
            Type::kErrOutOfMemory);
  EXPECT_EQ(Unref(21), Type::kOkNodata);
  EXPECT_EQ(g_->OnResource(Type::kCtxAttachResource, 2, 20), Type::kOkNodata);
  EXPECT_EQ(g_->OnResource(Type::kCtxAttachResource, 1, 20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 23), Type::kErrInvalidParameter);
  EXPECT_EQ(g_->DestroyContext(2), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 24), Type::kOkNodata);
}

TEST_F(LimitsTest, OfBuffersOfOneContext) {
  Start(Limits{.max_context_object_bytes = 2 * kPage});
  StartContext(1);
  StartContext(2);
  EXPECT_EQ(g_->NewBuffer(1, 20, 2 * kPage), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 21, kPage), Type::kErrInvalidParameter);
  EXPECT_EQ(g_->shmem(1).async_error, 1u);
  // Another one has its own.
  EXPECT_EQ(g_->NewBuffer(2, 22, 2 * kPage), Type::kOkNodata);
  EXPECT_EQ(g_->shmem(2).async_error, 0u);
  EXPECT_EQ(Unref(20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 23, 2 * kPage), Type::kOkNodata);
}

TEST_F(LimitsTest, OfSubmitqueues) {
  Start(Limits{.max_submitqueues = 2});
  StartContext(1);
  StartContext(2);
  EXPECT_EQ(NewQueue(1), 0);
  EXPECT_EQ(NewQueue(1), 0);
  EXPECT_EQ(NewQueue(1), -ENOSPC);
  EXPECT_EQ(NewQueue(2), 0);
  EXPECT_EQ(g_->counters().submitqueues.value(), 3u);
  // A context that ends gives back all of its own.
  EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  EXPECT_EQ(g_->counters().submitqueues.value(), 1u);
}

// Nobody asks for a fence.
TEST_F(LimitsTest, OfUnfinishedWorkOfOneContext) {
  constexpr uint64_t kSubmissions = 1000;
  Start(
      Limits{.max_context_unfinished_bytes = kSubmissions * kSubmissionBytes});
  StartContext(1);
  StartContext(2);
  const size_t fds = CountFds();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(SubmitUntilRefused(1), kSubmissions);
    EXPECT_EQ(g_->shmem(1).async_error, round + 1u);
    EXPECT_EQ(g_->counters().async_errors.value(), round + 1u);
    // Another one has its own.
    EXPECT_EQ(g_->Submit(2, ++fence_).type, Type::kOkNodata);
    drm_.FinishAll();
    EXPECT_LE(CountFds(), fds + 2);
  }
}

TEST_F(LimitsTest, OfUnfinishedWorkOfAllContexts) {
  constexpr uint64_t kSubmissions = 1000;
  Start(Limits{.max_unfinished_bytes = kSubmissions * kSubmissionBytes});
  StartContext(1);
  StartContext(2);
  // What each has in advance is not to be had.
  EXPECT_EQ(g_->Submit(2, ++fence_).type, Type::kOkNodata);
  const uint64_t taken = SubmitUntilRefused(1);
  EXPECT_LT(taken, kSubmissions);
  EXPECT_GE(taken,
            kSubmissions - 2 - 2 * UnfinishedWork::kAdvance / kSubmissionBytes);
  EXPECT_LT(SubmitUntilRefused(2), kSubmissions - taken);
  // Work goes on to count where its context ends.
  EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  EXPECT_EQ(g_->Submit(2, ++fence_).type, Type::kErrOutOfMemory);
  g_->driver().Reset();
  ASSERT_TRUE(g_->driver().Start().ok());
  StartContext(3);
  EXPECT_EQ(g_->Submit(3, ++fence_).type, Type::kErrOutOfMemory);
  drm_.FinishAll();
  EXPECT_GE(SubmitUntilRefused(3),
            kSubmissions - 1 - UnfinishedWork::kAdvance / kSubmissionBytes);
}

TEST_F(LimitsTest, OfUnfinishedWorkIsNotMetByAGuestThatWaits) {
  constexpr uint64_t kSubmissions = 2000;
  constexpr size_t kAtATime = 450;
  Start(
      Limits{.max_context_unfinished_bytes = kSubmissions * kSubmissionBytes});
  StartContext(1);
  for (uint64_t i = 0; i < 5 * kSubmissions; i += kBatch) {
    CcmdStream stream;
    for (uint64_t j = 0; j < kBatch; ++j) {
      stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, ++fence_});
    }
    ASSERT_EQ(g_->Call(virtio_gpu::SubmitRequest(1, stream.bytes())),
              Type::kOkNodata);
    drm_.FinishAllBut(kAtATime);
  }
  EXPECT_EQ(g_->shmem(1).async_error, 0u);
}

TEST_F(LimitsTest, OfUnfinishedWorkCountsTables) {
  Start(Limits{.max_context_unfinished_bytes = 10 * kTablesBytes});
  StartContext(1);
  ASSERT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  std::vector<uint8_t> tables(sizeof(drm_msm_gem_submit_bo));
  const drm_msm_gem_submit_bo bo = {
      .flags = MSM_SUBMIT_BO_READ, .handle = 20, .presumed = 0};
  std::memcpy(tables.data(), &bo, sizeof(bo));
  const drm_msm_gem_submit_cmd cmd = {.type = MSM_SUBMIT_CMD_BUF,
                                      .submit_idx = 0,
                                      .submit_offset = 0,
                                      .size = 4,
                                      .pad = 0,
                                      .nr_relocs = 0,
                                      .relocs = 0};
  for (int i = 0; i < 1000; ++i) {
    const auto bytes = AsBytes(cmd);
    tables.insert(tables.end(), bytes.begin(), bytes.end());
  }
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(SubmitTables(tables), Type::kOkNodata);
    }
    EXPECT_EQ(SubmitTables(tables), Type::kErrOutOfMemory);
    drm_.FinishAll();
  }
}

TEST_F(LimitsTest, OfMappedBlobs) {
  Start({.max_mapped_blobs = 2});
  StartContext(1);  // Its control memory is mapped.
  ASSERT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  ASSERT_EQ(g_->NewBuffer(1, 21), Type::kOkNodata);
  EXPECT_EQ(Map(20, 0), Type::kOkMapInfo);
  EXPECT_EQ(Map(21, kPage), Type::kErrOutOfMemory);
  EXPECT_EQ(Unref(20), Type::kOkNodata);
  EXPECT_EQ(Map(21, kPage), Type::kOkMapInfo);
}

TEST_F(LimitsTest, OfMappedBytes) {
  Start({.max_mapped_bytes = MsmDriver::kShmemSize + 2 * kPage});
  StartContext(1);
  ASSERT_EQ(g_->NewBuffer(1, 20, 2 * kPage), Type::kOkNodata);
  ASSERT_EQ(g_->NewBuffer(1, 30, kPage), Type::kOkNodata);
  EXPECT_EQ(Map(20, 0), Type::kOkMapInfo);
  EXPECT_EQ(Map(30, 2 * kPage), Type::kErrOutOfMemory);
  EXPECT_EQ(g_->OnResource(Type::kResourceUnmapBlob, 0, 20), Type::kOkNodata);
  EXPECT_EQ(Map(30, 2 * kPage), Type::kOkMapInfo);
}

TEST_F(LimitsTest, OfPendingFences) {
  Start({.max_pending_fences = 2});
  StartContext(1);
  for (uint32_t fence = 1; fence <= 3; ++fence) SendWork(1, fence);
  // Commands that wait for nothing go on, and so do submissions without a
  // fence.
  EXPECT_EQ(g_->Submit(1, 4).type, Type::kOkNodata);
  ASSERT_EQ(drm_.submits().size(), 3u);
  EXPECT_EQ(drm_.submits().back().fence, 4u);
  // The third was refused, and says so behind the two before it.
  drm_.FinishAll();
  for (uint32_t fence = 1; fence <= 3; ++fence) {
    const virtio_gpu::wire::CtrlHeader answer = WaitAnswer();
    EXPECT_EQ(answer.fence_id, fence);
    EXPECT_NE(answer.flags & virtio_gpu::wire::kFlagFence, 0u);
    EXPECT_EQ(answer.type,
              static_cast<uint32_t>(fence < 3 ? Type::kOkNodata
                                              : Type::kErrOutOfMemory));
  }
  // Both are back.
  SendWork(1, 5);
  SendWork(1, 6);
  // Executed behind them.
  EXPECT_EQ(g_->Submit(1, 7).type, Type::kOkNodata);
  drm_.FinishAll();
  EXPECT_EQ(WaitAnswer().type, static_cast<uint32_t>(Type::kOkNodata));
  EXPECT_EQ(WaitAnswer().type, static_cast<uint32_t>(Type::kOkNodata));
}

TEST_F(LimitsTest, PendingFencesAreBackAfterAReset) {
  Start({.max_pending_fences = 1});
  for (int round = 0; round < 2; ++round) {
    StartContext(1);
    SendWork(1, 1);
    SendWork(1, 2);
    EXPECT_EQ(g_->Submit(1, 3).type, Type::kOkNodata);
    EXPECT_EQ(g_->stats().errors(Type::kErrOutOfMemory).value(), round + 1u);
    g_->driver().Reset();
    ASSERT_TRUE(g_->driver().Start().ok());
  }
}

}  // namespace
}  // namespace nacre::msm
