// hostile-inputs, "Host side": every DRM call failing in turn with each errno,
// once and again and again, under a guest on real queues. The guest sees what
// the protocol has for it, nothing is left behind, and the device goes on.

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/hostile/device_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::wire::Type;

constexpr uint32_t kContext = 1;
constexpr uint32_t kOther = 2;    // A second context.
constexpr uint32_t kBuffer = 20;  // A buffer of the first one...
constexpr uint32_t kFresh = 21;   // ... and an id that is free.
constexpr uint64_t kSize = kLargestPageSize;

constexpr int kErrors[] = {ENOMEM, EINVAL,  EIO,    EBUSY,    EINTR,
                           EAGAIN, EDEADLK, ENODEV, EMFILE,   ENFILE,
                           ENOSPC, EPERM,   EFAULT, ETIMEDOUT};

// What a guest knows of how its request went.
struct Seen {
  Type response = Type::kOkNodata;  // Of the virtio-gpu command, if an error.
  int32_t ret = 0;                  // By the answer of the ccmd.
  uint32_t async = 0;  // By msm_shmem::async_error, which went up so much.
};

// A request that makes the DRM call, such that it can be made again.
using Attempt = Seen (*)(MsmDriver&);
// How a failure shows.
enum class Shows {
  kInResponse,  // An error response of virtio-gpu.
  kInAnswer,    // -errno in the ccmd's own answer.
  kAsync,       // msm_shmem::async_error: the ccmd has no answer.
  kNowhere,     // Nobody depends on it: names.
  kOnlyToUs,    // Giving back: what the driver keeps goes with the file.
};

bool Failed(Type type) { return type >= Type::kErrUnspec; }
Seen OfResponse(Type type) {
  return {.response = Failed(type) ? type : Type::kOkNodata};
}

// What the device makes of an errno of the driver's.
Type ResponseTo(int error) {
  switch (error) {
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
      return Type::kErrOutOfMemory;
    case EINVAL:
    case EFAULT:
    case EBUSY:
    case ENODEV:
      return Type::kErrInvalidParameter;
    default:
      return Type::kErrUnspec;
  }
}

Seen OfCcmd(MsmDriver& g, uint32_t cmd, std::initializer_list<uint32_t> words,
            std::span<const uint8_t> tail = {}) {
  const uint32_t before = g.shmem(kContext).async_error;
  const MsmDriver::Answer answer = g.Ccmd(kContext, cmd, words, tail);
  return {.response = Type::kOkNodata,
          .ret = answer.len == MsmDriver::kRoom ? 0 : answer.ret,
          .async = g.shmem(kContext).async_error - before};
}

Seen OfIoctl(MsmDriver& g, uint32_t code, std::span<const uint8_t> argument) {
  return OfCcmd(g, MSM_CCMD_IOCTL_SIMPLE, {code}, argument);
}

// A buffer with the second context.
Seen Share(MsmDriver& g) {
  const Type type = g.OnResource(Type::kCtxAttachResource, kOther, kBuffer);
  if (!Failed(type)) g.OnResource(Type::kCtxDetachResource, kOther, kBuffer);
  return OfResponse(type);
}

const std::vector<uint8_t> kName = {'a', 'b', 'c', 0};

// The row of DrmCall `call` is kRows[call]: a call without one does not compile
// (below).
constexpr struct Row {
  DrmCall call;
  Shows shows;
  Attempt attempt;
} kRows[] = {
    {DrmCall::kOpen, Shows::kInResponse,
     [](MsmDriver& g) {
       const Type type = g.CreateContext(3);
       if (!Failed(type)) g.DestroyContext(3);
       return OfResponse(type);
     }},
    {DrmCall::kGetParam, Shows::kInAnswer,
     [](MsmDriver& g) {
       const drm_msm_param param = {.pipe = MSM_PIPE_3D0,
                                    .param = MSM_PARAM_GPU_ID,
                                    .value = 0,
                                    .len = 0,
                                    .pad = 0};
       return OfIoctl(g, DRM_IOCTL_MSM_GET_PARAM, AsBytes(param));
     }},
    {DrmCall::kSetParamString, Shows::kNowhere,
     [](MsmDriver& g) {
       return OfCcmd(g, MSM_CCMD_SET_DEBUGINFO, {2, 2}, kName);
     }},
    {DrmCall::kGemNew, Shows::kAsync,
     [](MsmDriver& g) {
       Seen seen;
       seen.async = g.shmem(kContext).async_error;
       if (!Failed(g.NewBuffer(kContext, kFresh))) {
         g.OnResource(Type::kResourceUnref, kContext, kFresh);
       }
       seen.async = g.shmem(kContext).async_error - seen.async;
       return seen;
     }},
    {DrmCall::kGemClose, Shows::kOnlyToUs,
     [](MsmDriver& g) {
       const Type made = g.NewBuffer(kContext, kFresh);
       return OfResponse(
           Failed(made) ? made
                        : g.OnResource(Type::kResourceUnref, kContext, kFresh));
     }},
    {DrmCall::kGemSetIova, Shows::kAsync,
     [](MsmDriver& g) {
       // Away and back.
       const uint64_t iova = MsmDriver::IovaOf(kBuffer);
       Seen seen = OfCcmd(g, MSM_CCMD_GEM_SET_IOVA, {0, 0, kBuffer, 0});
       seen.async +=
           OfCcmd(g, MSM_CCMD_GEM_SET_IOVA, {Low(iova), High(iova), kBuffer, 0})
               .async;
       return seen;
     }},
    {DrmCall::kGemSetName, Shows::kNowhere,
     [](MsmDriver& g) {
       return OfCcmd(g, MSM_CCMD_GEM_SET_NAME, {kBuffer, 4}, kName);
     }},
    {DrmCall::kGemCpuPrep, Shows::kInAnswer,
     [](MsmDriver& g) {
       return OfCcmd(g, MSM_CCMD_GEM_CPU_PREP, {kBuffer, MSM_PREP_READ});
     }},
    {DrmCall::kGemGetMemory, Shows::kInResponse,
     [](MsmDriver& g) {
       const Type type = g.Call(virtio_gpu::MapRequest(kBuffer, 512 * kSize));
       if (!Failed(type)) {
         g.OnResource(Type::kResourceUnmapBlob, kContext, kBuffer);
       }
       return OfResponse(type);
     }},
    {DrmCall::kGemGetSize, Shows::kInResponse, &Share},
    {DrmCall::kGemExport, Shows::kInResponse, &Share},
    {DrmCall::kGemImport, Shows::kInResponse, &Share},
    {DrmCall::kGemSubmit, Shows::kAsync,
     [](MsmDriver& g) {
       static uint32_t fence = 0;
       return OfCcmd(g, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, ++fence});
     }},
    {DrmCall::kWaitFence, Shows::kInAnswer,
     [](MsmDriver& g) {
       return OfCcmd(g, MSM_CCMD_WAIT_FENCE, {0, 0});
     }},
    {DrmCall::kSubmitqueueNew, Shows::kInAnswer,
     [](MsmDriver& g) {
       const drm_msm_submitqueue queue = {.flags = 0, .prio = 0, .id = 0};
       return OfIoctl(g, DRM_IOCTL_MSM_SUBMITQUEUE_NEW, AsBytes(queue));
     }},
    {DrmCall::kSubmitqueueClose, Shows::kInAnswer,
     [](MsmDriver& g) {
       const drm_msm_submitqueue queue = {.flags = 0, .prio = 0, .id = 0};
       const MsmDriver::Answer made =
           g.Ccmd(kContext, MSM_CCMD_IOCTL_SIMPLE,
                  {DRM_IOCTL_MSM_SUBMITQUEUE_NEW}, AsBytes(queue));
       const uint32_t id = ByteReader(std::span(made.bytes).subspan(8))
                               .ReadZeroExtended<drm_msm_submitqueue>()
                               .id;
       return OfIoctl(g, DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, AsBytes(id));
     }},
    {DrmCall::kSubmitqueueQuery, Shows::kInAnswer,
     [](MsmDriver& g) {
       return OfCcmd(g, MSM_CCMD_SUBMITQUEUE_QUERY, {0, 0, 8});
     }},
};
static_assert(std::size(kRows) == static_cast<size_t>(DrmCall::kCount));

class DeviceFaultsTest : public DeviceTestBase,
                         public testing::WithParamInterface<Row> {
 protected:
  DeviceFaultsTest() {
    Start();
    for (const uint32_t ctx_id : {kContext, kOther}) {
      EXPECT_EQ(g_->CreateContext(ctx_id), Type::kOkNodata);
      g_->CreateShmem(ctx_id);
    }
    EXPECT_EQ(g_->NewBuffer(kContext, kBuffer), Type::kOkNodata);
  }
};

void ExpectFailure(const Seen& seen, const Row& row, int error) {
  EXPECT_EQ(seen.response, row.shows == Shows::kInResponse ? ResponseTo(error)
                                                           : Type::kOkNodata)
      << error;
  EXPECT_EQ(seen.ret, row.shows == Shows::kInAnswer ? -error : 0);
  EXPECT_EQ(seen.async > 0, row.shows == Shows::kAsync) << error;
}

void ExpectSuccess(const Seen& seen, int error) {
  EXPECT_EQ(seen.response, Type::kOkNodata) << error;
  EXPECT_EQ(seen.ret, 0) << error;
  EXPECT_EQ(seen.async, 0u) << error;
}

TEST_P(DeviceFaultsTest, TheGuestIsToldAndTheDeviceGoesOn) {
  const Row& row = GetParam();
  for (const int error : kErrors) {
    const size_t before = drm_.calls(row.call);
    drm_.FailOnce(row.call, error);
    ExpectFailure(row.attempt(*g_), row, error);
    EXPECT_GT(drm_.calls(row.call), before);
    ExpectSuccess(row.attempt(*g_), error);

    drm_.FailAlways(row.call, error);
    for (int i = 0; i < 3; ++i) ExpectFailure(row.attempt(*g_), row, error);
    drm_.FailNoMore();
    ExpectSuccess(row.attempt(*g_), error);
    EXPECT_EQ(g_->Call(virtio_gpu::Request(Type::kGetDisplayInfo)),
              Type::kOkDisplayInfo);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryCall, DeviceFaultsTest, testing::ValuesIn(kRows));

TEST(DeviceFaultsTableTest, TheRowsAreInTheOrderOfTheCalls) {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    EXPECT_EQ(static_cast<size_t>(kRows[i].call), i);
  }
}

}  // namespace
}  // namespace nacre::msm
