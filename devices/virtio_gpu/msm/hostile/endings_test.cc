// How guests end what they began, or do not: in any order, late or never. Over
// real queues; whatever they did, nothing of it is left.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::wire::Type;

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint8_t kRing = 2;  // Of queue 0.

class EndingsTest : public testing::Test {
 protected:
  EndingsTest() { g_.emplace(drm_); }
  void StartContext(uint32_t ctx_id) {
    ASSERT_EQ(g_->CreateContext(ctx_id), Type::kOkNodata);
    g_->CreateShmem(ctx_id);
  }
  // Work that ends when the test says so, and its fence.
  void StartWork(uint32_t ctx_id, uint32_t fence) {
    CcmdStream stream;
    stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 0, 0, fence});
    const std::vector<uint8_t> request =
        virtio_gpu::SubmitRequest(ctx_id, stream.bytes())
            .Fence(fence, kRing)
            .bytes();
    g_->driver().queue(0).Chain().Readable(request).Writable(24).Submit();
    g_->driver().Kick(0);
  }
  uint64_t WaitFence() {
    const std::vector<uint8_t> response = g_->driver().WaitUsed(0).response;
    return ByteReader(response)
        .ReadZeroExtended<virtio_gpu::wire::CtrlHeader>()
        .fence_id;
  }
  void ExpectNothingLeft() {
    EXPECT_EQ(g_->stats().contexts.value(), 0u);
    EXPECT_EQ(g_->stats().resources.value(), 0u);
    EXPECT_EQ(g_->stats().mapped_blobs.value(), 0u);
    EXPECT_EQ(g_->counters().files.value(), 0u);
    EXPECT_EQ(g_->counters().objects.value(), 0u);
    EXPECT_EQ(g_->counters().object_bytes.value(), 0u);
    EXPECT_EQ(g_->counters().control_memories.value(), 0u);
  }
  void TearDown() override {
    g_->driver().Reset();
    ExpectNothingLeft();
    drm_.FinishAll();
    EXPECT_EQ(drm_.objects(), 0u);
    g_.reset();
    EXPECT_EQ(CountFds(), fds_);
    EXPECT_EQ(CountMappings(), mappings_);
  }

  const size_t fds_ = CountFds();
  const size_t mappings_ = CountMappings();
  FakeDrmDevice drm_;
  std::optional<MsmDriver> g_;
};

TEST_F(EndingsTest, AContextEndsAtOnceThoughItsFenceNeverDoes) {
  StartContext(1);
  for (uint32_t fence = 1; fence <= 3; ++fence) StartWork(1, fence);
  // The answer does not wait for the fences, which came before.
  g_->driver()
      .queue(0)
      .Chain()
      .Readable(Request(Type::kCtxDestroy).Context(1).bytes())
      .Writable(24)
      .Submit();
  g_->driver().Kick(0);
  EXPECT_EQ(WaitFence(), 0u);
  EXPECT_EQ(g_->stats().fences_pending.value(), 3u);
  EXPECT_EQ(g_->counters().files.value(), 0u);

  drm_.FinishAll();
  for (uint64_t fence = 1; fence <= 3; ++fence) EXPECT_EQ(WaitFence(), fence);
  EXPECT_EQ(g_->stats().fences_pending.value(), 0u);
  EXPECT_EQ(g_->OnResource(Type::kResourceUnref, 0, 1), Type::kOkNodata);
}

// A thousand and one; the cap's error is the guest's to see.
TEST_F(EndingsTest, ContextsAreCappedAndComeBack) {
  const size_t before = CountFds();
  for (int round = 0; round < 2; ++round) {
    for (uint32_t id = 1; id <= Limits().max_files; ++id) {
      ASSERT_EQ(g_->CreateContext(id), Type::kOkNodata);
    }
    EXPECT_EQ(g_->CreateContext(Limits().max_files + 1), Type::kErrOutOfMemory);
    EXPECT_EQ(g_->counters().files.value(), Limits().max_files);
    for (uint32_t id = 1; id <= Limits().max_files; ++id) {
      ASSERT_EQ(g_->DestroyContext(id), Type::kOkNodata);
    }
    ExpectNothingLeft();
    EXPECT_EQ(CountFds(), before);
  }
}

// Linux 7.2 maps a blob when it is first looked at: at any time, or never.
TEST_F(EndingsTest, BlobsAreMappedLateOrNever) {
  StartContext(1);
  for (uint32_t id = 20; id < 60; ++id) {
    ASSERT_EQ(g_->NewBuffer(1, id), Type::kOkNodata);
  }
  ASSERT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  for (uint32_t id = 20; id < 60; id += 2) {
    EXPECT_EQ(g_->Call(virtio_gpu::MapRequest(id, id * kPage)),
              Type::kOkMapInfo);
    g_->window()[id * kPage] = static_cast<uint8_t>(id);
  }
  EXPECT_EQ(g_->stats().mapped_blobs.value(), 21u);  // And the control memory.
  for (uint32_t id = 20; id < 60; ++id) {
    EXPECT_EQ(g_->OnResource(Type::kResourceUnref, 0, id), Type::kOkNodata);
  }
  EXPECT_EQ(g_->OnResource(Type::kResourceUnref, 0, 1), Type::kOkNodata);
  ExpectNothingLeft();
}

// Linux 7.3 destroys all objects before it sleeps and makes them again, under
// the same ids, when it wakes up.
TEST_F(EndingsTest, HibernationMakesEverythingAgain) {
  for (int sleep = 0; sleep < 3; ++sleep) {
    StartContext(1);
    for (uint32_t id = 20; id < 24; ++id) {
      ASSERT_EQ(g_->NewBuffer(1, id), Type::kOkNodata);
      ASSERT_EQ(g_->Call(virtio_gpu::MapRequest(id, id * kPage)),
                Type::kOkMapInfo);
      EXPECT_EQ(g_->window()[id * kPage], 0);
      g_->window()[id * kPage] = 1;
    }
    EXPECT_EQ(g_->Submit(1, 1).type, Type::kOkNodata);
    drm_.FinishAll();
    for (uint32_t id = 20; id < 24; ++id) {
      ASSERT_EQ(g_->OnResource(Type::kResourceUnref, 0, id), Type::kOkNodata);
    }
    ASSERT_EQ(g_->OnResource(Type::kResourceUnref, 0, 1), Type::kOkNodata);
    ASSERT_EQ(g_->DestroyContext(1), Type::kOkNodata);
    ExpectNothingLeft();
  }
}

// A driver that is unloaded, or a kernel that is replaced, with all in use.
TEST_F(EndingsTest, TheNextDriverFindsNothingOfTheOneBefore) {
  size_t before = 0;
  for (int driver = 0; driver < 4; ++driver) {
    StartContext(1);
    for (uint32_t id = 20; id < 24; ++id) {
      ASSERT_EQ(g_->NewBuffer(1, id), Type::kOkNodata);
    }
    ASSERT_EQ(g_->Call(virtio_gpu::MapRequest(20, 20 * kPage)),
              Type::kOkMapInfo);
    EXPECT_EQ(g_->window()[20 * kPage], 0);
    g_->window()[20 * kPage] = 1;
    StartWork(1, 1);
    // Served, if not done, before the next one.
    ASSERT_EQ(g_->Call(Request(Type::kGetDisplayInfo)), Type::kOkDisplayInfo);
    g_->driver().Reset();
    ExpectNothingLeft();
    EXPECT_EQ(g_->window()[20 * kPage], 0);
    drm_.FinishAll();
    if (driver == 0) before = CountFds();
    EXPECT_EQ(CountFds(), before);
    ASSERT_TRUE(g_->driver().Start().ok());
  }
}

// Nobody is left to claim its object.
TEST_F(EndingsTest, OfABlobThatTheDeviceRefuses) {
  StartContext(1);
  ASSERT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 20), Type::kErrInvalidResourceId);
  EXPECT_EQ(g_->counters().objects.value(), 1u);
  EXPECT_EQ(g_->NewBuffer(1, 21), Type::kOkNodata);
}

}  // namespace
}  // namespace nacre::msm
