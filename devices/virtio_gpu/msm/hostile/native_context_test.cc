// hostile-inputs, "Native context", as a guest's kernel and Mesa could send it
// over real queues. What single classes make of it is in their own tests.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/hostile/device_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/wire.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::wire::Type;

class NativeContextTest : public DeviceTestBase {
 protected:
  NativeContextTest() {
    Start();
    EXPECT_EQ(g_->CreateContext(1), Type::kOkNodata);
  }
  static Request Stream(CcmdStream& stream) {
    return virtio_gpu::SubmitRequest(1, stream.bytes());
  }
  // RESOURCE_CREATE_BLOB with all that a guest may say.
  Type CreateBlob(uint32_t resource_id, uint64_t blob_id, uint64_t size) {
    virtio_gpu::wire::ResourceCreateBlob blob = {};
    blob.resource_id = resource_id;
    blob.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kHost3d);
    blob.blob_flags = virtio_gpu::wire::kBlobFlagUseMappable;
    blob.blob_id = blob_id;
    blob.size = size;
    return g_->Call(Request(Type::kResourceCreateBlob).Context(1).With(blob));
  }
  void GemNew(uint32_t blob_id) {
    const uint64_t iova = MsmDriver::IovaOf(blob_id);
    g_->Ccmd(1, MSM_CCMD_GEM_NEW,
             {Low(iova), High(iova), kPage, 0, MSM_BO_WC, blob_id});
  }
};

TEST_F(NativeContextTest, AFenceOfAContextWithoutControlMemory) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, 1});
  Send(Stream(stream).Fence(5, kRing));
  ASSERT_EQ(g_->Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  drm_.FinishAll();
  EXPECT_EQ(WaitAnswer().fence_id, 5u);
}

TEST_F(NativeContextTest, TwoFencesBehindOneSubmit) {
  CcmdStream stream;
  stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, 1});
  Send(Stream(stream).Fence(5, kRing));
  Send(virtio_gpu::SubmitRequest(1, {}).Fence(6, kRing));
  // Neither is there before the work is done.
  ASSERT_EQ(g_->Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
  EXPECT_EQ(g_->stats().fences_pending.value(), 2u);
  drm_.FinishAll();
  EXPECT_EQ(WaitAnswer().fence_id, 5u);
  EXPECT_EQ(WaitAnswer().fence_id, 6u);
}

// What GEM_NEW made for one goes back at once.
TEST_F(NativeContextTest, BlobsThatNobodyMade) {
  g_->CreateShmem(1);
  const Counters& counters = g_->counters();
  // No GEM_NEW; another size; an id that is in use; twice.
  EXPECT_GE(CreateBlob(20, 20, kPage), Type::kErrUnspec);
  for (const uint64_t size :
       {2 * kPage, kPage / 2, uint64_t{1}, uint64_t{0}, ~uint64_t{0}}) {
    GemNew(21);
    EXPECT_EQ(counters.objects.value(), 1u);
    EXPECT_GE(CreateBlob(21, 21, size), Type::kErrUnspec);
    EXPECT_EQ(counters.objects.value(), 0u) << size;
  }
  GemNew(22);
  EXPECT_EQ(CreateBlob(1, 22, kPage), Type::kErrInvalidResourceId);
  EXPECT_EQ(counters.objects.value(), 0u);
  EXPECT_EQ(counters.object_bytes.value(), 0u);
  EXPECT_EQ(drm_.handles(), 0u);
  GemNew(23);
  EXPECT_EQ(CreateBlob(23, 23, kPage), Type::kOkNodata);
  EXPECT_GE(CreateBlob(24, 23, kPage), Type::kErrUnspec);
  EXPECT_EQ(counters.objects.value(), 1u);
  EXPECT_EQ(g_->stats().resources.value(), 2u);
  // The ids are free for others.
  for (const uint32_t id : {20u, 21u, 22u}) {
    GemNew(id);
    EXPECT_EQ(CreateBlob(id, id, kPage), Type::kOkNodata);
  }
}

TEST_F(NativeContextTest, ControlMemoryOfOddSizesOrTwice) {
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{1}, uint64_t{15}, uint64_t{0xffffffff},
        uint64_t{1} << 32, ~uint64_t{0}, ~uint64_t{4095}}) {
    EXPECT_GE(CreateBlob(9, 0, size), Type::kErrUnspec) << size;
  }
  g_->CreateShmem(1);
  EXPECT_GE(CreateBlob(9, 0, kPage), Type::kErrUnspec);
  EXPECT_EQ(g_->Submit(1, 1).type, Type::kOkNodata);
}

// 4 KiB where the host has such pages.
TEST_F(NativeContextTest, ControlMemoryOfOnePage) {
  const uint64_t size = HostPageSize();
  ASSERT_EQ(CreateBlob(1, 0, size), Type::kOkNodata);
  ASSERT_EQ(g_->Call(virtio_gpu::MapRequest(1, MsmDriver::kShmemSize)),
            Type::kOkMapInfo);
  EXPECT_EQ(g_->Ccmd(1, MSM_CCMD_WAIT_FENCE, {99, 1}).ret, -ENOENT);
  // Up to its end, and not beyond.
  const auto area = static_cast<uint32_t>(size - g_->shmem(1).rsp_mem_offset);
  msm_ccmd_wait_fence_rsp last = {.hdr = {sizeof(last)}, .ret = 0};
  uint8_t* const slot = g_->window() + MsmDriver::kShmemSize + size - 8;
  std::memcpy(slot, &last, sizeof(last));
  CcmdStream stream;
  stream.Add(MSM_CCMD_WAIT_FENCE, {99, 1}, {}, area - 8);
  EXPECT_EQ(g_->Call(Stream(stream)), Type::kOkNodata);
  std::memcpy(&last, slot, sizeof(last));
  EXPECT_EQ(last.ret, -ENOENT);
  stream.bytes().clear();
  stream.Add(MSM_CCMD_WAIT_FENCE, {99, 1}, {}, area - 4);
  EXPECT_GE(g_->Call(Stream(stream)), Type::kErrUnspec);
}

TEST_F(NativeContextTest, TheControlMemoryIsScribbledOverToItsEnd) {
  g_->CreateShmem(1);
  const uint32_t offset = g_->shmem(1).rsp_mem_offset;
  uint8_t* const shmem = g_->window() + MsmDriver::kShmemSize;
  for (const int byte : {0xff, 0x00, 0x7f}) {
    std::memset(shmem, byte, MsmDriver::kShmemSize);
    CcmdStream stream;
    for (int i = 0; i < 4; ++i) {
      stream.Add(MSM_CCMD_WAIT_FENCE, {0, 1}, {}, /*rsp_off=*/64);
    }
    EXPECT_EQ(g_->Call(Stream(stream)), Type::kOkNodata);
    EXPECT_EQ(g_->shmem(1).seqno, 4u);
  }
  // And with the words as they were.
  std::memcpy(shmem + 4, &offset, sizeof(offset));
  EXPECT_EQ(g_->Ccmd(1, MSM_CCMD_WAIT_FENCE, {99, 1}).ret, -ENOENT);
}

TEST_F(NativeContextTest, ASubmitToAQueueThatIsNone) {
  g_->CreateShmem(1);
  const size_t fds = CountFds();
  for (const uint32_t queue : {1u, 77u, 0x80000000u, 0xffffffffu}) {
    EXPECT_GE(
        g_->Ccmd(1, MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, queue, 0, 0, 1}).type,
        Type::kErrUnspec);
  }
  EXPECT_EQ(g_->shmem(1).async_error, 4u);
  EXPECT_EQ(CountFds(), fds);
  // A fence behind them waits for nothing.
  EXPECT_EQ(g_->Call(virtio_gpu::SubmitRequest(1, {}).Fence(1, kRing)),
            Type::kOkNodata);
}

TEST_F(NativeContextTest, AnErrorWithinAStream) {
  g_->CreateShmem(1);
  GemNew(20);
  ASSERT_EQ(CreateBlob(20, 20, kPage), Type::kOkNodata);
  const uint32_t before = g_->shmem(1).seqno;
  CcmdStream stream;
  for (uint32_t i = 0; i < before; ++i) stream.Add(MSM_CCMD_NOP, {});
  stream.bytes().clear();
  const std::vector<uint8_t> data = {7, 0, 0, 0};
  stream.Add(MSM_CCMD_GEM_UPLOAD, {99, 0, 0, 4}, data);
  const uint32_t last = stream.Add(MSM_CCMD_GEM_UPLOAD, {20, 0, 16, 4}, data);
  EXPECT_GE(g_->Call(Stream(stream)), Type::kErrUnspec);
  EXPECT_EQ(g_->shmem(1).seqno, last);
  EXPECT_EQ(g_->shmem(1).async_error, 1u);
  ASSERT_EQ(g_->Call(virtio_gpu::MapRequest(20, 20 * kPage)), Type::kOkMapInfo);
  EXPECT_EQ(g_->window()[20 * kPage + 16], 7);
}

TEST_F(NativeContextTest, UploadsToThousandsOfBuffers) {
  g_->CreateShmem(1);
  const size_t before = CountMappings();
  const std::vector<uint8_t> data = {1, 2, 3, 4};
  for (uint32_t id = 20; id < 820; ++id) {
    ASSERT_EQ(g_->NewBuffer(1, id), Type::kOkNodata);
    EXPECT_EQ(g_->Ccmd(1, MSM_CCMD_GEM_UPLOAD, {id, 0, 0, 4}, data).type,
              Type::kOkNodata);
  }
  // A few are kept, not one for each.
  EXPECT_LE(CountMappings(), before + 16);
  for (uint32_t id = 20; id < 820; ++id) {
    ASSERT_EQ(g_->OnResource(Type::kResourceUnref, 0, id), Type::kOkNodata);
  }
  EXPECT_EQ(CountMappings(), before);
}

}  // namespace
}  // namespace nacre::msm
