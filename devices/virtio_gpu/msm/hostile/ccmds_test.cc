// hostile-inputs, "Native context": ccmds that no Mesa sends, over real queues.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/hostile/device_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr uint32_t kBuffer = 20;

class CcmdsTest : public DeviceTestBase {
 protected:
  CcmdsTest() {
    Start();
    StartContext(1);
    area_ = MsmDriver::kShmemSize - g_->shmem(1).rsp_mem_offset;
  }

  // What has been added to stream_.
  Type Flush() {
    const Type type = g_->Call(virtio_gpu::SubmitRequest(1, stream_.bytes()));
    stream_.bytes().clear();
    return type;
  }
  // Where context 1 has its answers.
  uint8_t* Slot(uint32_t rsp_off) {
    return g_->window() + 2 * MsmDriver::kShmemSize - area_ + rsp_off;
  }
  void Preset(uint32_t rsp_off, uint32_t room, size_t fill) {
    std::memset(Slot(rsp_off), 0xee, fill);
    std::memcpy(Slot(rsp_off), &room, sizeof(room));
  }
  uint32_t First(uint32_t rsp_off) {
    uint32_t word;
    std::memcpy(&word, Slot(rsp_off), sizeof(word));
    return word;
  }
  template <typename T>
  MsmDriver::Answer Ioctl(uint32_t code, const T& argument) {
    return g_->Ccmd(1, MSM_CCMD_IOCTL_SIMPLE, {code}, AsBytes(argument));
  }
  uint32_t async_error() { return g_->shmem(1).async_error; }

  uint32_t area_;
  CcmdStream stream_;
};

TEST_F(CcmdsTest, AnswersNeverLeaveTheirArea) {
  // Right behind it in the window.
  StartContext(2);
  const msm_shmem neighbour = g_->shmem(2);
  Preset(area_ - 8, 8, 8);
  stream_.Add(MSM_CCMD_WAIT_FENCE, {99, 1}, {}, area_ - 8);
  EXPECT_EQ(Flush(), Type::kOkNodata);
  EXPECT_EQ(First(area_ - 8), 8u);
  uint32_t errors = 0;
  for (const uint32_t rsp_off : {area_ - 7, area_ - 4, area_, area_ + 1,
                                 0x7fffffffu, 0xfffffff0u, 0xffffffffu}) {
    const uint32_t seqno =
        stream_.Add(MSM_CCMD_WAIT_FENCE, {99, 1}, {}, rsp_off);
    EXPECT_GE(Flush(), Type::kErrUnspec);
    EXPECT_EQ(g_->shmem(1).seqno, seqno);
    EXPECT_EQ(async_error(), ++errors);
  }
  // Where there is no answer it does not matter.
  stream_.Add(MSM_CCMD_NOP, {}, {}, 0xffffffff);
  EXPECT_EQ(Flush(), Type::kOkNodata);
  const msm_shmem after = g_->shmem(2);
  EXPECT_EQ(std::memcmp(&after, &neighbour, sizeof(after)), 0);
}

// A handler fails after another one had its answer ready.
TEST_F(CcmdsTest, AnswersDoNotTurnUpInOtherCommandsSlots) {
  Preset(0, 16, 16);
  Preset(64, 16, 16);
  stream_.Add(MSM_CCMD_SUBMITQUEUE_QUERY, {99, 0, 4}, {}, 0);
  stream_.Add(MSM_CCMD_NOP, {}, {}, 64);
  stream_.Add(MSM_CCMD_GEM_SET_IOVA, {0, 1, 99, 0}, {}, 64);
  EXPECT_GE(Flush(), Type::kErrUnspec);
  EXPECT_EQ(First(0), 16u);
  EXPECT_EQ(First(64), 16u);
  for (uint32_t i = 4; i < 16; ++i) EXPECT_EQ(Slot(64)[i], 0xee);
}

TEST_F(CcmdsTest, OnlyWholeIoctlCodesOfTheListAreTaken) {
  const size_t before = drm_.calls(DrmCall::kGetParam);
  const std::array<uint8_t, 24> argument = {};
  for (const uint32_t code :
       {DRM_IOCTL_MSM_GET_PARAM ^ 0x40000000u,  // Other directions.
        DRM_IOCTL_MSM_GET_PARAM ^ 0x80000000u,
        DRM_IOCTL_MSM_GET_PARAM ^ 0x00080000u,  // Other sizes.
        DRM_IOCTL_MSM_GET_PARAM | 0x3fff0000u,
        DRM_IOCTL_MSM_GET_PARAM ^ 0x00000100u,  // Another type.
        0u, 0xffffffffu, DRM_IOCTL_MSM_SET_PARAM, DRM_IOCTL_MSM_GEM_NEW,
        DRM_IOCTL_MSM_GEM_SUBMIT}) {
    EXPECT_EQ(Ioctl(code, argument).ret, -EINVAL) << code;
  }
  EXPECT_EQ(drm_.calls(DrmCall::kGetParam), before);
  // Of a wrong length: what is missing is zero, a pipe that is none.
  EXPECT_EQ(Ioctl(DRM_IOCTL_MSM_GET_PARAM, uint32_t{0}).ret, -EINVAL);
  // What is beyond is nobody's.
  struct {
    drm_msm_param param;
    std::array<uint8_t, 40> beyond;
  } longer = {{MSM_PIPE_3D0, MSM_PARAM_GPU_ID, 0, 0, 0}, {}};
  longer.beyond.fill(0xee);
  EXPECT_EQ(Ioctl(DRM_IOCTL_MSM_GET_PARAM, longer).ret, 0);
  EXPECT_EQ(drm_.calls(DrmCall::kGetParam), before + 1);
}

TEST_F(CcmdsTest, SubmitqueuesThatAreClosedAreGone) {
  const auto submit = [this](uint32_t queue) {
    return g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, queue, 0, 0, 1})
        .type;
  };
  for (int round = 0; round < 3; ++round) {
    const MsmDriver::Answer made =
        Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW,
              drm_msm_submitqueue{.flags = 0, .prio = 0, .id = 0});
    EXPECT_EQ(made.ret, 0);
    const uint32_t queue = ByteReader(std::span(made.bytes).subspan(8))
                               .ReadZeroExtended<drm_msm_submitqueue>()
                               .id;
    EXPECT_EQ(submit(queue), Type::kOkNodata);
    EXPECT_EQ(Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, queue).ret, 0);
    EXPECT_GE(submit(queue), Type::kErrUnspec);
    EXPECT_EQ(Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, queue).ret, -ENOENT);
    EXPECT_EQ(g_->counters().submitqueues.value(), 0u);
  }
  for (const uint32_t prio : {3u, 63u, 64u, 0xffffffffu}) {
    EXPECT_EQ(Ioctl(DRM_IOCTL_MSM_SUBMITQUEUE_NEW,
                    drm_msm_submitqueue{.flags = 0, .prio = prio, .id = 0})
                  .ret,
              -EINVAL);
  }
}

TEST_F(CcmdsTest, SubmitsReachTheDriverWithTheGuestsFlagsAlone) {
  ASSERT_EQ(g_->NewBuffer(1, kBuffer), Type::kOkNodata);
  const struct {
    drm_msm_gem_submit_bo bo;
    drm_msm_gem_submit_cmd cmd;
  } __attribute__((packed)) arrays = {
      .bo = {.flags = 0xfffffff3, .handle = kBuffer, .presumed = ~uint64_t{0}},
      .cmd = {.type = MSM_SUBMIT_CMD_BUF,
              .submit_idx = 0,
              .submit_offset = 0,
              .size = 4,
              .pad = 0xffffffff,
              .nr_relocs = 0,
              .relocs = ~uint64_t{0}}};
  EXPECT_EQ(
      g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0 | 0xffff0000, 0, 1, 1, 1},
               {reinterpret_cast<const uint8_t*>(&arrays), sizeof(arrays)})
          .type,
      Type::kOkNodata);
  ASSERT_EQ(drm_.submits().size(), 1u);
  const FakeSubmit& submit = drm_.submits()[0];
  EXPECT_EQ(submit.flags, MSM_PIPE_3D0 | MSM_SUBMIT_NO_IMPLICIT);
  EXPECT_EQ(submit.bos[0].flags, 3u);
  EXPECT_EQ(submit.cmds[0].pad, 0u);
}

TEST_F(CcmdsTest, SubmitsOfImpossibleCountsOrRelocsAreRefused) {
  ASSERT_EQ(g_->NewBuffer(1, kBuffer), Type::kOkNodata);
  // Times 16 or 32 some of them are 0, or a little, in 32 bits.
  for (const uint32_t count : {1u, 2u, 0x08000000u, 0x08000001u, 0x10000000u,
                               0x10000001u, 0x80000000u, 0xffffffffu}) {
    EXPECT_GE(
        g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, count, 0, 1}).type,
        Type::kErrUnspec);
    EXPECT_GE(
        g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, count, 1}).type,
        Type::kErrUnspec);
    EXPECT_GE(
        g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, count, count, 1})
            .type,
        Type::kErrUnspec);
  }
  const drm_msm_gem_submit_cmd relocs = {.type = MSM_SUBMIT_CMD_BUF,
                                         .submit_idx = 0,
                                         .submit_offset = 0,
                                         .size = 4,
                                         .pad = 0,
                                         .nr_relocs = 1,
                                         .relocs = 64};
  EXPECT_GE(g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 1, 1},
                     AsBytes(relocs))
                .type,
            Type::kErrUnspec);
  EXPECT_EQ(drm_.calls(DrmCall::kGemSubmit), 0u);
}

// Older guests' requests are shorter. A length that is none ends its stream,
// and the guest does not wait for it in vain.
TEST_F(CcmdsTest, RequestsOfAnyLength) {
  for (uint32_t cmd = 0; cmd <= MSM_CCMD_LAST; ++cmd) {
    for (uint32_t words = 0; words < 8; ++words) {
      const std::vector<uint8_t> tail(words * sizeof(uint32_t), 0xff);
      const uint32_t seqno = stream_.Add(cmd, {}, tail);
      Flush();
      EXPECT_EQ(g_->shmem(1).seqno, seqno) << cmd << " " << words;
    }
    for (const uint32_t length :
         {0u, 1u, 4u, 15u, 17u, 21u, 0x7ffffff0u, 0xfffffff0u, 0xffffffffu}) {
      const uint32_t seqno = stream_.Add(cmd, {0, 0});
      std::memcpy(stream_.bytes().data() + 4, &length, sizeof(length));
      EXPECT_GE(Flush(), Type::kErrUnspec) << cmd << " " << length;
      EXPECT_EQ(g_->shmem(1).seqno, seqno) << cmd << " " << length;
    }
  }
  EXPECT_EQ(g_->counters().objects.value(), 0u);
}

// What older guests do not send is zero, not what follows, and no error.
TEST_F(CcmdsTest, ShorterRequestsMeanZeros) {
  const auto call = [this](uint32_t cmd,
                           std::initializer_list<uint32_t> words) {
    Preset(0, MsmDriver::kRoom, MsmDriver::kRoom);
    stream_.Add(cmd, words);
    stream_.Add(MSM_CCMD_NOP, {}, {}, /*rsp_off=*/0xffffffff);
    EXPECT_EQ(Flush(), Type::kOkNodata) << cmd;
    return ByteReader({Slot(0), MsmDriver::kRoom});
  };
  ASSERT_EQ(g_->NewBuffer(1, kBuffer), Type::kOkNodata);
  // No value, len and pad.
  ByteReader answer =
      call(MSM_CCMD_IOCTL_SIMPLE,
           {DRM_IOCTL_MSM_GET_PARAM, MSM_PIPE_3D0, MSM_PARAM_GPU_ID});
  EXPECT_EQ(answer.Read<msm_ccmd_ioctl_simple_rsp>()->ret, 0);
  EXPECT_EQ(answer.Read<drm_msm_param>()->value, 630u);
  // No prio and id.
  answer =
      call(MSM_CCMD_IOCTL_SIMPLE, {DRM_IOCTL_MSM_SUBMITQUEUE_NEW, /*flags=*/0});
  EXPECT_EQ(answer.Read<msm_ccmd_ioctl_simple_rsp>()->ret, 0);
  EXPECT_EQ(drm_.priority(answer.Read<drm_msm_submitqueue>()->id), 0u);
  // No fence.
  answer = call(MSM_CCMD_WAIT_FENCE, {0});
  EXPECT_EQ(answer.Read<msm_ccmd_wait_fence_rsp>()->ret, 0);
  // No len.
  answer = call(MSM_CCMD_SUBMITQUEUE_QUERY, {0, MSM_SUBMITQUEUE_PARAM_FAULTS});
  const auto query = *answer.Read<msm_ccmd_submitqueue_query_rsp>();
  EXPECT_EQ(query.ret, 0);
  EXPECT_EQ(query.out_len, 0u);
  // No pad, behind an address that is 0.
  EXPECT_EQ(drm_.iova(1), MsmDriver::IovaOf(kBuffer));
  call(MSM_CCMD_GEM_SET_IOVA, {0, 0, kBuffer});
  EXPECT_EQ(drm_.iova(1), 0u);
  EXPECT_EQ(async_error(), 0u);
}

TEST_F(CcmdsTest, BuffersAreMappedAsTheDriverHasThem) {
  const auto map_info = [this](uint32_t flags) {
    const uint64_t iova = MsmDriver::IovaOf(kBuffer);
    g_->Ccmd(1, MSM_CCMD_GEM_NEW,
             {Low(iova), High(iova), kPage, 0, flags, kBuffer});
    EXPECT_EQ(g_->CreateBlob(1, kBuffer, kPage), Type::kOkNodata);
    const std::vector<uint8_t> response =
        g_->driver().Call(virtio_gpu::wire::kControlQueue,
                          virtio_gpu::MapRequest(kBuffer, 512 * kPage).bytes(),
                          sizeof(virtio_gpu::wire::CtrlHeader) +
                              sizeof(virtio_gpu::wire::MapInfo));
    EXPECT_EQ(g_->OnResource(Type::kResourceUnref, 1, kBuffer),
              Type::kOkNodata);
    ByteReader reader(response);
    reader.ReadZeroExtended<virtio_gpu::wire::CtrlHeader>();
    return static_cast<virtio_gpu::MapCaching>(
        reader.ReadZeroExtended<virtio_gpu::wire::MapInfo>().map_info);
  };
  EXPECT_EQ(map_info(MSM_BO_WC), virtio_gpu::MapCaching::kWriteCombined);
  EXPECT_EQ(map_info(MSM_BO_CACHED), virtio_gpu::MapCaching::kCached);
  EXPECT_EQ(map_info(MSM_BO_CACHED_COHERENT), virtio_gpu::MapCaching::kCached);
}

// Of all kinds, with words that often name something, between creations and
// ends of what they name and calls that fail. TearDown counts what is left.
TEST_F(CcmdsTest, HundredsOfThousandsAtRandomLeaveNothingOpen) {
  constexpr uint32_t kCcmds = 300'000;
  constexpr uint32_t kInStream = 500;
  std::mt19937 random(11);
  const auto word = [&]() -> uint32_t {
    switch (random() % 8) {
      case 0:
        return static_cast<uint32_t>(random());
      case 1:
        return static_cast<uint32_t>(kPage);
      case 2:
        return Low(MsmDriver::IovaOf(kBuffer + random() % 8));
      case 3:
        return MSM_BO_WC;
      case 4:
        return kBuffer + random() % 8;
      default:
        return random() % 3;
    }
  };
  for (uint32_t sent = 0; sent < kCcmds; sent += kInStream) {
    for (uint32_t i = 0; i < kInStream; ++i) {
      std::vector<uint8_t> words((random() % 12) * sizeof(uint32_t));
      for (size_t at = 0; at < words.size(); at += sizeof(uint32_t)) {
        const uint32_t value = word();
        std::memcpy(words.data() + at, &value, sizeof(value));
      }
      stream_.Add(random() % (MSM_CCMD_LAST + 1), {}, words,
                  random() % 32 == 0 ? word() : (i % 64) * 80);
    }
    Flush();
    EXPECT_EQ(g_->shmem(1).seqno, stream_.seqno());
    const uint32_t id = kBuffer + random() % 8;
    switch (random() % 6) {
      case 0:
        g_->OnResource(Type::kResourceUnref, 1, id);
        break;
      case 1:
        drm_.FinishAll();
        break;
      case 2:
        drm_.FailOnce(static_cast<DrmCall>(
                          random() % static_cast<uint32_t>(DrmCall::kCount)),
                      ENOMEM);
        break;
      default:
        g_->CreateBlob(1, id, kPage);
    }
  }
  EXPECT_GT(g_->counters().objects_created.value(), 50u);
}

}  // namespace
}  // namespace nacre::msm
