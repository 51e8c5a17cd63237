#include <cerrno>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// Each ccmd as Mesa uses it.

namespace nacre::msm {
namespace {

using testing::ElementsAre;

class ContextCcmdsTest : public ContextTestBase {};

TEST_F(ContextCcmdsTest, NopAdvancesTheSeqno) {
  guest_->batch().Add(MSM_CCMD_NOP, {});
  guest_->batch().Add(MSM_CCMD_NOP, {});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), 2u);
  EXPECT_EQ(counters().ccmds[MSM_CCMD_NOP].value(), 2u);
}

TEST_F(ContextCcmdsTest, GetParamAnswersWithTheDriversValue) {
  drm_msm_param param = {.pipe = MSM_PIPE_3D0,
                         .param = MSM_PARAM_TIMESTAMP,
                         .value = 0,
                         .len = 0,
                         .pad = 0};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_GET_PARAM, param), 0);
  EXPECT_EQ(param.value, 19200000u);
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, GetParamAnswersWithTheDriversErrno) {
  drm_msm_param param = {
      .pipe = MSM_PIPE_3D0, .param = 0x7777, .value = 5, .len = 0, .pad = 0};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_GET_PARAM, param), -EINVAL);
  param.param = MSM_PARAM_TIMESTAMP;
  device_.FailOnce(DrmCall::kGetParam, ENXIO);
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_GET_PARAM, param), -ENXIO);
  // An error that was answered is no lost context.
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, SubmitqueuesAreMadeAndClosed) {
  drm_msm_submitqueue queue = {.flags = 0, .prio = 2, .id = 0};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), 0);
  EXPECT_NE(queue.id, 0u);
  EXPECT_EQ(device_.queues(), 1u);
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, queue.id), 0);
  EXPECT_EQ(device_.queues(), 0u);
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, queue.id), -ENOENT);
}

// Turnip asks, and takes the refusal for an answer.
TEST_F(ContextCcmdsTest, PreemptibleQueuesAreTheDriversToRefuse) {
  drm_msm_submitqueue queue = {
      .flags = MSM_SUBMITQUEUE_ALLOW_PREEMPT, .prio = 1, .id = 0};
  EXPECT_EQ(guest_->Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, queue), -EINVAL);
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, GemNewPlacesTheBufferWhereTheGuestSays) {
  const auto buffer = guest_->NewBuffer(0x4500, kIova + kPage);
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  // Turnip's size is no multiple of a page.
  const uint64_t whole_pages = *CheckedAlignUp(0x4500, HostPageSize());
  EXPECT_EQ(guest_->blob(*buffer).size(), whole_pages);
  EXPECT_EQ(device_.iova(1), kIova + kPage);
  EXPECT_EQ(counters().object_bytes.value(), whole_pages);
}

TEST_F(ContextCcmdsTest, CachingOfTheBlobIsThatOfTheBuffer) {
  using virtio_gpu::MapCaching;
  const auto caching = [&](uint32_t flags, uint64_t iova) {
    const uint32_t buffer = *guest_->NewBuffer(kPage, iova, flags);
    return guest_->blob(buffer).GetMemory()->caching;
  };
  EXPECT_EQ(caching(MSM_BO_WC, kIova), MapCaching::kWriteCombined);
  EXPECT_EQ(caching(MSM_BO_CACHED, kIova + kPage), MapCaching::kCached);
  EXPECT_EQ(
      caching(MSM_BO_CACHED_COHERENT | MSM_BO_GPU_READONLY, kIova + 2 * kPage),
      MapCaching::kCached);
}

TEST_F(ContextCcmdsTest, SetIovaMovesAndReleases) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  // Turnip repeats what GEM_NEW did.
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA,
                      {Low(kIova), High(kIova), buffer, 0});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.iova(1), kIova);
  guest_->batch().Add(MSM_CCMD_GEM_SET_IOVA, {0, 0, buffer, 0});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.iova(1), 0u);
  EXPECT_EQ(guest_->async_error(), 0u);
  // The address is free for the next buffer, in ring order.
  EXPECT_TRUE(guest_->NewBuffer(kPage, kIova).ok());
}

TEST_F(ContextCcmdsTest, CpuPrepIsBusyUntilTheWorkIsDone) {
  const uint32_t queue = guest_->NewQueue(1);
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  ASSERT_TRUE(guest_
                  ->Submit({.queue_id = queue,
                            .bos = {{MSM_SUBMIT_BO_WRITE, buffer, 0}},
                            .cmds = {}})
                  .ok());
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_GEM_CPU_PREP,
                                  {buffer, MSM_PREP_READ | MSM_PREP_BOOST}),
            -EBUSY);
  device_.FinishAll();
  EXPECT_EQ(
      guest_->CallForResult(MSM_CCMD_GEM_CPU_PREP, {buffer, MSM_PREP_READ}), 0);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_GEM_CPU_PREP, {99, MSM_PREP_READ}),
            -ENOENT);
  // Not by the kernel, whose log a guest could fill with that.
  const size_t calls = device_.calls(DrmCall::kGemCpuPrep);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_GEM_CPU_PREP, {buffer, 0x80}),
            -EINVAL);
  EXPECT_EQ(device_.calls(DrmCall::kGemCpuPrep), calls);
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, NamesAreCutToWhatTheKernelTakes) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  const std::vector<uint8_t> name(40, 'n');
  guest_->batch().Add(MSM_CCMD_GEM_SET_NAME, {buffer, 40}, name);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.name(1), std::string(31, 'n'));
  const std::vector<uint8_t> terminated = {'a', 0, 'b', 0};
  guest_->batch().Add(MSM_CCMD_GEM_SET_NAME, {buffer, 4}, terminated);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.name(1), "a");
}

TEST_F(ContextCcmdsTest, ANameThatFailsIsNoLostContext) {
  const std::vector<uint8_t> name(4, 'n');
  guest_->batch().Add(MSM_CCMD_GEM_SET_NAME, {99, 4}, name);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, SubmitReachesTheDriverWithHandles) {
  const uint32_t queue = guest_->NewQueue(1);
  const uint32_t first = *guest_->NewBuffer(kPage, kIova);
  const uint32_t second = *guest_->NewBuffer(4 * kPage, kIova + kPage);
  ASSERT_TRUE(
      guest_
          ->Submit({.flags = MSM_PIPE_3D0 | MSM_SUBMIT_NO_IMPLICIT |
                             MSM_SUBMIT_SYNCOBJ_IN | MSM_SUBMIT_SYNCOBJ_OUT,
                    .queue_id = queue,
                    .fence = 17,
                    .bos = {{MSM_SUBMIT_BO_READ, second, 0xdead},
                            {MSM_SUBMIT_BO_WRITE, first, 0}},
                    .cmds = {{MSM_SUBMIT_CMD_BUF, 0, 8, 64, 0, 0, 0xdeadbeef}}})
          .ok());
  EXPECT_EQ(guest_->async_error(), 0u);
  ASSERT_EQ(device_.submits().size(), 1u);
  const FakeSubmit& submit = device_.submits()[0];
  EXPECT_EQ(submit.flags, MSM_PIPE_3D0 | MSM_SUBMIT_NO_IMPLICIT);
  EXPECT_EQ(submit.queue_id, queue);
  EXPECT_EQ(submit.fence, 17u);
  ASSERT_EQ(submit.bos.size(), 2u);
  EXPECT_EQ(submit.bos[0].handle, 2u);
  EXPECT_EQ(submit.bos[0].presumed, 0u);
  EXPECT_EQ(submit.bos[1].handle, 1u);
  ASSERT_EQ(submit.cmds.size(), 1u);
  EXPECT_EQ(submit.cmds[0].submit_offset, 8u);
  EXPECT_EQ(submit.cmds[0].size, 64u);
  EXPECT_EQ(submit.cmds[0].relocs, 0u);
}

TEST_F(ContextCcmdsTest, UploadsLandInTheBuffer) {
  const uint32_t buffer = *guest_->NewBuffer(2 * kPage, kIova);
  const std::vector<uint8_t> data = {1, 2, 3, 4, 5};
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 4094, 5}, data);
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, 2}, data);
  EXPECT_TRUE(guest_->Flush().ok());
  const Mapping memory = guest_->Map(buffer);
  EXPECT_THAT(memory.bytes().subspan(4094, 6), ElementsAre(1, 2, 3, 4, 5, 0));
  EXPECT_THAT(memory.bytes().first(3), ElementsAre(1, 2, 0));
  EXPECT_EQ(counters().upload_bytes.value(), 7u);
  // One look-up of the memory serves both.
  EXPECT_EQ(device_.calls(DrmCall::kGemGetMemory), 2u);
}

// Mesa 22.3 asks for 8 bytes of a 4-byte parameter.
TEST_F(ContextCcmdsTest, SubmitqueueQueryFillsWhatTheDriverHas) {
  const uint32_t queue = guest_->NewQueue(0);
  device_.SetParam(MSM_PARAM_FAULTS, 0x11223344);
  EXPECT_THAT(guest_->Call(MSM_CCMD_SUBMITQUEUE_QUERY,
                           {queue, MSM_SUBMITQUEUE_PARAM_FAULTS, 8}, {}, 20),
              ElementsAre(20, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0x44, 0x33, 0x22,
                          0x11, 0, 0, 0, 0));
  EXPECT_THAT(
      guest_->Call(MSM_CCMD_SUBMITQUEUE_QUERY, {99, 0, 4}, {}, 16),
      ElementsAre(16, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST_F(ContextCcmdsTest, WaitFenceNeverWaits) {
  const uint32_t queue = guest_->NewQueue(1);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 1}).ok());
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {queue, 1}), -ETIMEDOUT);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {queue, 2}), -EINVAL);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {99, 1}), -ENOENT);
  device_.FinishAll();
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {queue, 1}), 0);
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, DebugInfoReachesTheDriver) {
  const std::vector<uint8_t> strings = {'g', 'l', 0, 'g', 'l', ' ', 'x', 0};
  guest_->batch().Add(MSM_CCMD_SET_DEBUGINFO, {3, 5}, strings);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.string_param(MSM_PARAM_COMM), "gl");
  EXPECT_EQ(device_.string_param(MSM_PARAM_CMDLINE), "gl x");
  // Older drivers refuse.
  device_.FailAlways(DrmCall::kSetParamString, EINVAL);
  guest_->batch().Add(MSM_CCMD_SET_DEBUGINFO, {3, 5}, strings);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->async_error(), 0u);
}

// The kernel writes these into its log as they are, once a hang.
TEST_F(ContextCcmdsTest, TextForTheHostsLogIsOneShortPrintableLine) {
  const std::string forged = "a\n<0>forged\x1b[2J\xc3\xa9\x7f \t~";
  const std::string clean = "a?<0>forged?[2J??? ?~";
  const uint32_t size = forged.size();
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  guest_->batch().Add(MSM_CCMD_GEM_SET_NAME, {buffer, size},
                      std::vector<uint8_t>(forged.begin(), forged.end()));
  const std::string both = forged + forged;
  guest_->batch().Add(MSM_CCMD_SET_DEBUGINFO, {size, size},
                      std::vector<uint8_t>(both.begin(), both.end()));
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.name(1), clean);
  EXPECT_EQ(device_.string_param(MSM_PARAM_COMM), clean.substr(0, 15));
  EXPECT_EQ(device_.string_param(MSM_PARAM_CMDLINE), clean);
  guest_->batch().Add(MSM_CCMD_SET_DEBUGINFO, {1, 5000},
                      std::vector<uint8_t>(5004, 'x'));
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.string_param(MSM_PARAM_CMDLINE), std::string(4096, 'x'));
}

TEST_F(ContextCcmdsTest, FaultsShowAfterASuccessfulWait) {
  const uint32_t queue = guest_->NewQueue(1);
  ASSERT_TRUE(guest_->Submit({.queue_id = queue, .fence = 1}).ok());
  device_.FinishAll();
  device_.SetParam(MSM_PARAM_FAULTS, 4);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_WAIT_FENCE, {queue, 1}), 0);
  EXPECT_EQ(guest_->global_faults(), 4u);
  EXPECT_EQ(guest_->async_error(), 0u);
}

TEST_F(ContextCcmdsTest, FaultsOfOthersBeforeAreThereFromTheStart) {
  device_.SetParam(MSM_PARAM_FAULTS, 2);
  const Guest second(*type_);
  EXPECT_EQ(second.global_faults(), 2u);
}

// The simulated boost hints of msm 1.11; older drivers refuse the bits.
TEST(ContextOldDriverTest, BoostHintsAreDroppedForADriverWithoutThem) {
  FakeDrmDevice device;
  device.set_version({1, 9, 0});
  const auto type = *MsmContextType::Create(device);
  Guest guest(*type);
  const uint32_t buffer = *guest.NewBuffer(4096, FakeDrmDevice::kVaStart);
  EXPECT_EQ(guest.CallForResult(MSM_CCMD_GEM_CPU_PREP,
                                {buffer, MSM_PREP_READ | MSM_PREP_BOOST}),
            0);
}

}  // namespace
}  // namespace nacre::msm
