#include "devices/virtio_gpu/msm/shmem.h"

#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

constexpr uint64_t kPage = kSmallestPageSize;

// The control memory with the guest's mapping of it.
class ShmemTest : public testing::Test {
 protected:
  explicit ShmemTest(uint64_t size = 4 * kPage)
      : shmem_(*Shmem::Create(size)), blob_(*shmem_.MakeBlob(true, counters_)) {
    guest_ = *Mapping::Shared(blob_->GetMemory()->fd, 0, size);
  }

  msm_shmem Header() const {
    msm_shmem header;
    std::memcpy(&header, guest_.data(), sizeof(header));
    return header;
  }
  void Preset(uint32_t rsp_off, uint32_t room) {
    std::memcpy(guest_.data() + Shmem::kResponseOffset + rsp_off, &room, 4);
  }
  // What the guest finds in the slot: length, then up to 12 bytes.
  std::vector<uint8_t> Slot(uint32_t rsp_off) const {
    const uint8_t* at = guest_.data() + Shmem::kResponseOffset + rsp_off;
    return {at, at + 16};
  }

  Counters counters_;
  Shmem shmem_;
  std::unique_ptr<virtio_gpu::Blob> blob_;
  Mapping guest_;
};

TEST_F(ShmemTest, AnnouncesEveryFieldBeforeTheGuestMapsIt) {
  EXPECT_EQ(Header().seqno, 0u);
  EXPECT_EQ(Header().rsp_mem_offset, 16u);
  EXPECT_EQ(Header().rsp_mem_offset % 8, 0u);
  EXPECT_EQ(Header().async_error, 0u);
  EXPECT_EQ(Header().global_faults, 0u);
}

TEST_F(ShmemTest, PublishesWhatItIsTold) {
  shmem_.PublishSeqno(7);
  shmem_.AddAsyncError();
  shmem_.AddAsyncError();
  shmem_.SetGlobalFaults(3);
  EXPECT_EQ(Header().seqno, 7u);
  EXPECT_EQ(Header().async_error, 2u);
  EXPECT_EQ(Header().global_faults, 3u);
  // Numbers wrap, and Mesa 22.3 sends some late: the last one stands.
  shmem_.PublishSeqno(0xffffffff);
  shmem_.PublishSeqno(5);
  EXPECT_EQ(Header().seqno, 5u);
}

TEST_F(ShmemTest, RespondsWithTheLengthWritten) {
  msm_ccmd_wait_fence_rsp response = {.hdr = {}, .ret = -110};
  Preset(8, 16);
  shmem_.Respond(*shmem_.Reserve(8, sizeof(response)),
                 AsWritableBytes(response));
  EXPECT_THAT(Slot(8), testing::ElementsAre(8, 0, 0, 0, 0x92, 0xff, 0xff, 0xff,
                                            0, 0, 0, 0, 0, 0, 0, 0));
}

TEST_F(ShmemTest, WritesNoMoreThanTheRoomPreset) {
  for (const uint32_t room : {0u, 3u, 4u, 5u, 7u}) {
    msm_ccmd_wait_fence_rsp response = {.hdr = {}, .ret = -1};
    std::memset(guest_.data() + 16, 0, 32);
    Preset(0, room);
    shmem_.Respond(*shmem_.Reserve(0, sizeof(response)),
                   AsWritableBytes(response));
    const std::vector<uint8_t> slot = Slot(0);
    EXPECT_EQ(slot[0], room);
    for (size_t i = 4; i < 16; ++i) EXPECT_EQ(slot[i], i < room ? 0xff : 0);
  }
}

TEST_F(ShmemTest, ResponsesStayInTheArea) {
  const uint32_t area = 4 * kPage - 16;
  EXPECT_TRUE(shmem_.Reserve(area - 8, 8).ok());
  for (const uint32_t rsp_off : {area - 7, area, area + 1, 0x7fffffffu,
                                 0xfffffff0u, 0xfffffff8u, 0xffffffffu}) {
    EXPECT_EQ(shmem_.Reserve(rsp_off, 8).status().code(),
              absl::StatusCode::kOutOfRange)
        << rsp_off;
  }
}

TEST_F(ShmemTest, ItsOwnNumbersAreNotReadBack) {
  // A guest that moves the area does not move where responses go.
  const uint32_t wild = 0xfffffff0;
  std::memcpy(guest_.data() + 4, &wild, sizeof(wild));
  std::memset(guest_.data() + 8, 0xff, 8);
  msm_ccmd_wait_fence_rsp response = {.hdr = {}, .ret = 0};
  Preset(0, 8);
  shmem_.Respond(*shmem_.Reserve(0, sizeof(response)),
                 AsWritableBytes(response));
  EXPECT_EQ(Slot(0)[0], 8);
  shmem_.AddAsyncError();
  EXPECT_EQ(Header().async_error, 1u);
}

TEST_F(ShmemTest, TheGuestsShareOutlivesOurs) {
  {
    const Shmem gone = std::move(shmem_);
    shmem_ = *Shmem::Create(kPage);
  }
  EXPECT_TRUE(blob_->GetMemory().ok());
  EXPECT_EQ(Header().rsp_mem_offset, 16u);
}

TEST_F(ShmemTest, IsNotForOtherContexts) {
  EXPECT_EQ(blob_->Export().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*shmem_.MakeBlob(false, counters_))->GetMemory().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ShmemSizeTest, OnePageToTheLimitIsPossible) {
  EXPECT_TRUE(Shmem::Create(kPage).ok());
  EXPECT_TRUE(Shmem::Create(Shmem::kMaxSize).ok());
  for (const uint64_t size : {uint64_t{0}, uint64_t{8}, uint64_t{16}, kPage - 1,
                              Shmem::kMaxSize + kPage, uint64_t{0xffffffff},
                              uint64_t{1} << 32, ~uint64_t{0}}) {
    EXPECT_EQ(Shmem::Create(size).status().code(),
              absl::StatusCode::kInvalidArgument)
        << size;
  }
}

}  // namespace
}  // namespace nacre::msm
