#include <cerrno>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gtest/gtest.h"

// Rings, and what happens to fences when things end or fail.

namespace nacre::msm {
namespace {

class ContextFencesTest : public ContextTestBase {
 protected:
  // An EXECBUFFER with FENCE_FD_OUT.
  Fd FencedSubmit(uint8_t ring, const GuestSubmit& submit) {
    EXPECT_TRUE(guest_->Submit(submit, ring).ok());
    return *guest_->context().FenceRing(ring);
  }
  // The same without a GEM_SUBMIT in it.
  Fd FenceOn(uint8_t ring) {
    EXPECT_TRUE(guest_->Flush(ring).ok());
    return *guest_->context().FenceRing(ring);
  }
  size_t Submits() const { return device_.calls(DrmCall::kGemSubmit); }
};

TEST_F(ContextFencesTest, TheCpuRingHasNothingOutstanding) {
  ASSERT_TRUE(guest_->Submit({.queue_id = guest_->NewQueue(0)}).ok());
  EXPECT_FALSE(FenceOn(0).valid());
}

TEST_F(ContextFencesTest, AQueueRunsOnTheRingOfItsPriority) {
  for (uint8_t prio = 0; prio < 3; ++prio) {
    const uint32_t queue = guest_->NewQueue(prio);
    ASSERT_TRUE(guest_->Submit({.queue_id = queue}).ok());
    for (uint8_t ring = 0; ring < 64; ++ring) {
      EXPECT_EQ(FenceOn(ring).valid(), ring == prio + 1);
    }
  }
}

// Half of 3 priorities, as msm_submitqueue_init places it.
TEST_F(ContextFencesTest, TheDriversOwnQueueRunsInTheMiddle) {
  ASSERT_TRUE(guest_->Submit({.queue_id = 0}).ok());
  EXPECT_TRUE(FenceOn(2).valid());
}

TEST_F(ContextFencesTest, TheFenceSignalsWhenTheWorkIsDone) {
  const uint32_t queue = guest_->NewQueue(0);
  const Fd fence = FencedSubmit(1, {.queue_id = queue, .fence = 5});
  EXPECT_FALSE(Readable(fence));
  device_.Finish(queue, 5);
  EXPECT_TRUE(Readable(fence));
  EXPECT_EQ(Submits(), 1u);
}

// A second virtio fence behind one submit has nothing of its own to wait for;
// the device keeps it behind the first.
TEST_F(ContextFencesTest, AFenceIsHandedOutOnce) {
  EXPECT_TRUE(FencedSubmit(1, {.queue_id = guest_->NewQueue(0)}).valid());
  EXPECT_FALSE(FenceOn(1).valid());
  EXPECT_EQ(Submits(), 1u);
}

TEST_F(ContextFencesTest, NobodyAsksForAFenceNobodyWants) {
  const uint32_t queue = guest_->NewQueue(0);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue}).ok());
  EXPECT_FALSE(device_.submits().back().fence_out);
  // With a fence on the ring of another queue.
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 2}, 2).ok());
  EXPECT_FALSE(device_.submits().back().fence_out);
  EXPECT_FALSE((*guest_->context().FenceRing(2)).valid());
}

TEST_F(ContextFencesTest, TheLastSubmitStandsForThoseBeforeIt) {
  const uint32_t queue = guest_->NewQueue(0);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 1}).ok());
  const Fd fence = FencedSubmit(1, {.queue_id = queue, .fence = 2});
  device_.Finish(queue, 1);
  EXPECT_FALSE(Readable(fence));
  device_.Finish(queue, 2);
  EXPECT_TRUE(Readable(fence));
  EXPECT_EQ(Submits(), 2u);
}

// The driver does what queues of one priority have in its order.
TEST_F(ContextFencesTest, AFenceThatComesLaterIsASubmitOfNothing) {
  const uint32_t queue = guest_->NewQueue(1);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 1}).ok());
  const Fd fence = FenceOn(2);
  ASSERT_EQ(device_.submits().size(), 2u);
  const FakeSubmit behind = device_.submits().back();
  EXPECT_TRUE(behind.fence_out);
  EXPECT_TRUE(behind.bos.empty());
  EXPECT_TRUE(behind.cmds.empty());
  EXPECT_EQ(device_.priority(behind.queue_id), 1u);
  device_.Finish(behind.queue_id, behind.fence);
  EXPECT_TRUE(Readable(fence));
}

// Nor do they count as the guest's, or end with its queue.
TEST_F(ContextFencesTest, LaterFencesDoNotUseTheGuestsNumbers) {
  uint32_t queue = guest_->NewQueue(0);
  for (uint32_t number = 1; number < 4; ++number) {
    ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = number}).ok());
    EXPECT_TRUE(FenceOn(1).valid());
    EXPECT_NE(device_.submits().back().queue_id, queue);
    EXPECT_EQ(device_.submits().back().fence, number);
  }
  EXPECT_EQ(counters().submits.value(), 3u);
  EXPECT_EQ(counters().submitqueues.value(), 1u);
  EXPECT_EQ(device_.queues(), 2u) << "one for all fences of the ring";
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {queue, 4}), -EINVAL);
}

// How many fences there are on it depends on how the guest's ccmds came in
// commands (a finding of nacre/fuzz:batching).
TEST_F(ContextFencesTest, TheQueueOfLaterFencesIsNotTheGuests) {
  ASSERT_TRUE(guest_->Submit({.queue_id = 0, .fence = 1}).ok());
  EXPECT_TRUE(FenceOn(2).valid());
  uint32_t ours = device_.submits().back().queue_id;
  ASSERT_NE(ours, 0u);
  device_.FinishAll();
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {ours, 1}), -ENOENT);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_SUBMITQUEUE_QUERY,
                                  {ours, MSM_SUBMITQUEUE_PARAM_FAULTS, 8}),
            -ENOENT);
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, ours), -ENOENT);
  EXPECT_FALSE(guest_->Submit({.queue_id = ours, .fence = 9}).ok());
  // Nor is it gone.
  ASSERT_TRUE(guest_->Submit({.queue_id = 0, .fence = 2}).ok());
  EXPECT_TRUE(FenceOn(2).valid());
  EXPECT_EQ(device_.submits().back().queue_id, ours);
}

TEST_F(ContextFencesTest, AFenceThatCannotBeMadeIsALostContext) {
  const uint32_t queue = guest_->NewQueue(0);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue}).ok());
  for (const DrmCall call : {DrmCall::kSubmitqueueNew, DrmCall::kGemSubmit}) {
    const uint32_t before = guest_->async_error();
    device_.FailOnce(call, ENOMEM);
    EXPECT_FALSE(guest_->Flush(1).ok());
    EXPECT_FALSE((*guest_->context().FenceRing(1)).valid());
    EXPECT_EQ(guest_->async_error(), before + 1);
  }
  EXPECT_TRUE(FenceOn(1).valid());
}

TEST_F(ContextFencesTest, SubmitsThatNobodyFencesPileNothingUp) {
  const uint32_t queue = guest_->NewQueue(0);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 1}).ok());
  device_.FinishAll();
  const size_t fds = CountFds();
  for (uint32_t i = 2; i < 100; ++i) {
    ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = i}).ok());
    device_.FinishAll();
  }
  EXPECT_EQ(CountFds(), fds);
}

TEST_F(ContextFencesTest, AFailedSubmitLeavesTheRingAsItWas) {
  const uint32_t queue = guest_->NewQueue(0);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 1}).ok());
  device_.FailOnce(DrmCall::kGemSubmit, ENOMEM);
  EXPECT_FALSE(guest_->Submit({.queue_id = queue, .fence = 2}, 1).ok());
  const Fd fence = *guest_->context().FenceRing(1);
  EXPECT_FALSE(Readable(fence));
  device_.FinishAll();
  EXPECT_TRUE(Readable(fence));
  EXPECT_EQ(guest_->async_error(), 1u);
}

TEST_F(ContextFencesTest, RingsBeyondTheLastAreRefused) {
  EXPECT_TRUE(guest_->context().FenceRing(63).ok());
  EXPECT_FALSE(guest_->context().FenceRing(64).ok());
  EXPECT_FALSE(guest_->context().FenceRing(255).ok());
}

TEST_F(ContextFencesTest, AFenceOutlivesItsContext) {
  const uint32_t queue = guest_->NewQueue(0);
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  const Fd fence =
      FencedSubmit(1, {.queue_id = queue, .bos = {{3, buffer, 0}}, .cmds = {}});
  guest_->DestroyContext();
  guest_->CloseBuffer(buffer);
  EXPECT_FALSE(Readable(fence));
  device_.FinishAll();
  EXPECT_TRUE(Readable(fence));
}

TEST_F(ContextFencesTest, ClosingAQueueKeepsItsRingsFence) {
  uint32_t queue = guest_->NewQueue(0);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue}).ok());
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, queue), 0);
  EXPECT_TRUE(FenceOn(1).valid());
}

// What a program does from start to end; must get through whatever fails.
void RunProgram(MsmContextType& type) {
  auto created = type.CreateContext(1, "p");
  if (!created.ok()) return;
  Guest guest(type, 0);
  guest.context()
      .CreateBlob(
          {.resource_id = 1, .blob_id = 0, .size = 0x4000, .mappable = true})
      .IgnoreError();
  const std::vector<uint8_t> data = {1, 2, 3, 4};
  CcmdStream& batch = guest.batch();
  batch.Add(MSM_CCMD_SET_DEBUGINFO, {2, 2}, data);
  const drm_msm_submitqueue queue = {.flags = 0, .prio = 0, .id = 0};
  batch.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_NEW},
            AsBytes(queue));
  guest.Flush().IgnoreError();
  std::vector<std::unique_ptr<virtio_gpu::Blob>> blobs;
  for (uint32_t i = 2; i < 4; ++i) {
    const uint64_t iova =
        FakeDrmDevice::kVaStart + uint64_t{i} * kLargestPageSize;
    batch.Add(MSM_CCMD_GEM_NEW,
              {Low(iova), High(iova), kLargestPageSize, 0, MSM_BO_WC, i});
    guest.Flush().IgnoreError();
    auto blob = guest.context().CreateBlob({.resource_id = i,
                                            .blob_id = i,
                                            .size = kLargestPageSize,
                                            .mappable = true,
                                            .shareable = true});
    if (!blob.ok()) continue;
    (*blob)->GetMemory().status().IgnoreError();
    (*created)->AttachResource(i, **blob).IgnoreError();
    blobs.push_back(*std::move(blob));
  }
  batch.Add(MSM_CCMD_GEM_SET_NAME, {2, 4}, data);
  batch.Add(MSM_CCMD_GEM_UPLOAD, {2, 0, 0, 4}, data);
  batch.Add(MSM_CCMD_GEM_CPU_PREP, {2, 1});
  guest.Flush().IgnoreError();
  guest.Submit({.queue_id = 1, .bos = {{3, 2, 0}}, .cmds = {}}).IgnoreError();
  guest.Flush(/*fence_ring=*/1).IgnoreError();
  guest.context().FenceRing(1).status().IgnoreError();
  batch.Add(MSM_CCMD_WAIT_FENCE, {1, 1});
  batch.Add(MSM_CCMD_SUBMITQUEUE_QUERY, {1, 0, 8});
  batch.Add(MSM_CCMD_GEM_SET_IOVA, {0, 0, 2, 0});
  const uint32_t id = 1;
  batch.Add(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE},
            AsBytes(id));
  guest.Flush().IgnoreError();
  guest.context().DetachResource(2);
}

// hostile-inputs: every DRM call failing in turn with every errno. What the
// driver refused to give back it drops with the file.
TEST(ContextFailingHostTest, EveryCallMayFailWithAnyError) {
  const size_t fds = CountFds();
  for (size_t call = static_cast<size_t>(DrmCall::kGetParam);
       call < static_cast<size_t>(DrmCall::kCount); ++call) {
    for (const int error :
         {ENOMEM, EINVAL, EIO, EBUSY, EINTR, EAGAIN, EDEADLK}) {
      FakeDrmDevice device;
      const auto type = *MsmContextType::Create(device);
      device.FailOnce(static_cast<DrmCall>(call), error);
      RunProgram(*type);
      device.FailAlways(static_cast<DrmCall>(call), error);
      RunProgram(*type);
      device.FailNoMore();
      device.FinishAll();
      type->ReleaseIdle();
      EXPECT_EQ(device.files(), 0u);
      EXPECT_EQ(device.objects(), 0u);
      EXPECT_EQ(type->counters().objects.value(), 0u);
      EXPECT_EQ(type->counters().submitqueues.value(), 0u);
    }
  }
  EXPECT_EQ(CountFds(), fds);
}

}  // namespace
}  // namespace nacre::msm
