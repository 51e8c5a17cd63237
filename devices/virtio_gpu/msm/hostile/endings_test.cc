// How guests end what they began, or do not: in any order, late or never. Over
// real queues; whatever they did, nothing of it is left.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "devices/virtio_gpu/msm/hostile/device_test_base.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/object_table.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/msm_driver.h"
#include "devices/virtio_gpu/msm/uapi.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

using virtio_gpu::Request;
using virtio_gpu::wire::Type;

class EndingsTest : public DeviceTestBase {
 protected:
  EndingsTest() { Start(); }
  // In context 1.
  void GemNew(uint32_t blob_id) {
    const uint64_t iova = MsmDriver::IovaOf(blob_id);
    EXPECT_EQ(g_->Ccmd(1, MSM_CCMD_GEM_NEW,
                       {Low(iova), High(iova), kPage, 0, MSM_BO_WC, blob_id})
                  .type,
              Type::kOkNodata);
  }
};

TEST_F(EndingsTest, AContextEndsAtOnceThoughItsFenceNeverDoes) {
  StartContext(1);
  for (uint32_t fence = 1; fence <= 3; ++fence) SendWork(1, fence);
  // The answer does not wait for the fences, which came before.
  Send(Request(Type::kCtxDestroy).Context(1));
  EXPECT_EQ(WaitAnswer().fence_id, 0u);
  EXPECT_EQ(g_->stats().fences_pending.value(), 3u);
  EXPECT_EQ(g_->counters().files.value(), 0u);

  drm_.FinishAll();
  for (uint64_t fence = 1; fence <= 3; ++fence)
    EXPECT_EQ(WaitAnswer().fence_id, fence);
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

// Attack stopped: a reset that takes seconds, by contexts with as many
// resources as there may be: each takes a look whether the GPU works on it, one
// more while no context that shares it submits, and what the kernel would keep
// otherwise, its address and its handle, to be given back.
TEST_F(EndingsTest, AContextEndsWithFourCallsForEachResource) {
  constexpr uint32_t kBuffers = 100;
  // For its fences and faults, whatever it has.
  constexpr size_t kCallsOfAContext = 8;
  StartContext(1);
  StartContext(2);
  for (uint32_t id = 20; id < 20 + kBuffers; ++id) {
    ASSERT_EQ(g_->NewBuffer(1, id), Type::kOkNodata);
    ASSERT_EQ(g_->OnResource(Type::kCtxAttachResource, 2, id), Type::kOkNodata);
    const uint64_t iova = MsmDriver::IovaOf(id);
    ASSERT_EQ(
        g_->Ccmd(2, MSM_CCMD_GEM_SET_IOVA, {Low(iova), High(iova), id}).type,
        Type::kOkNodata);
  }
  for (const bool is_reset : {false, true}) {
    const size_t closes = drm_.calls(DrmCall::kGemClose);
    const size_t addresses = drm_.calls(DrmCall::kGemSetIova);
    const size_t calls = drm_.calls();
    if (is_reset) {
      g_->driver().Reset();
    } else {
      ASSERT_EQ(g_->DestroyContext(2), Type::kOkNodata);
    }
    EXPECT_EQ(drm_.calls(DrmCall::kGemClose) - closes, kBuffers);
    EXPECT_EQ(drm_.calls(DrmCall::kGemSetIova) - addresses, kBuffers);
    EXPECT_LE(drm_.calls() - calls, 4 * kBuffers + kCallsOfAContext);
  }
  ExpectNothingLeft();
  ASSERT_TRUE(g_->driver().Start().ok());
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
    SendWork(1, 1);
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

// From Linux 6.17 on the driver would wait for the GPU: what it works on when
// the driver is unloaded goes when the next one comes or goes.
TEST_F(EndingsTest, WhatTheGpuWorksOnGoesWithTheNextDriver) {
  g_.reset();
  drm_.set_version({1, 13, 0});
  for (const bool starts : {false, true}) {
    Start();
    StartContext(1);
    ASSERT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
    CcmdStream stream;
    const drm_msm_gem_submit_bo bo = {MSM_SUBMIT_BO_READ, 20, 0};
    stream.Add(MSM_CCMD_GEM_SUBMIT, {MSM_PIPE_3D0, 0, 1, 0, 1}, AsBytes(bo));
    ASSERT_EQ(g_->Call(virtio_gpu::SubmitRequest(1, stream.bytes())),
              Type::kOkNodata);
    g_->driver().Reset();
    EXPECT_EQ(g_->counters().files.value(), 1u);
    drm_.FinishAll();
    if (starts) {
      ASSERT_TRUE(g_->driver().Start().ok());
    } else {
      g_->driver().Reset();
    }
    ExpectNothingLeft();
    g_.reset();
  }
  Start();
}

// Nobody is left to claim its object.
TEST_F(EndingsTest, OfABlobThatTheDeviceRefuses) {
  StartContext(1);
  ASSERT_EQ(g_->NewBuffer(1, 20), Type::kOkNodata);
  EXPECT_EQ(g_->NewBuffer(1, 20), Type::kErrInvalidResourceId);
  EXPECT_EQ(g_->counters().objects.value(), 1u);
  EXPECT_EQ(g_->NewBuffer(1, 21), Type::kOkNodata);
}

// Nor of one that does not decode: Linux sends none but by a size beyond the
// device's limit.
TEST_F(EndingsTest, OfABlobThatNobodyCouldMake) {
  StartContext(1);
  virtio_gpu::wire::ResourceCreateBlob right = {};
  right.resource_id = 20;
  right.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kHost3d);
  right.blob_id = 20;
  right.size = kPage;
  auto no_resource = right, no_memory = right, no_flag = right, no_size = right,
       too_large = right, with_entries = right;
  no_resource.resource_id = 0;
  no_memory.blob_mem = 4;
  no_flag.blob_flags = 8;
  no_size.size = 0;
  too_large.size = MsmDriver::DefaultConfig().limits.max_blob_bytes + kPage;
  with_entries.nr_entries = 1;
  for (const auto& wrong :
       {no_resource, no_memory, no_flag, no_size, too_large, with_entries}) {
    GemNew(20);
    EXPECT_EQ(g_->counters().objects.value(), 1u);
    EXPECT_GE(
        g_->Call(Request(Type::kResourceCreateBlob).Context(1).With(wrong)),
        Type::kErrUnspec);
    EXPECT_EQ(g_->counters().objects.value(), 0u);
  }
  // Of a context that does not exist; of no blob of the host.
  GemNew(20);
  EXPECT_GE(
      g_->Call(Request(Type::kResourceCreateBlob).Context(2).With(no_size)),
      Type::kErrUnspec);
  no_size.blob_mem = static_cast<uint32_t>(virtio_gpu::wire::BlobMem::kGuest);
  EXPECT_GE(
      g_->Call(Request(Type::kResourceCreateBlob).Context(1).With(no_size)),
      Type::kErrUnspec);
  EXPECT_EQ(g_->Call(Request(Type::kResourceCreateBlob).Context(1).With(right)),
            Type::kOkNodata);
}

// Where not even its id came, the object waits. The context that did so has
// room for a few of them, and no other one has less.
TEST_F(EndingsTest, OfABlobThatIsCutShort) {
  StartContext(1);
  StartContext(2);
  for (uint32_t i = 0; i < ObjectTable::kMaxPending; ++i) {
    GemNew(1000 + i);
    EXPECT_GE(g_->Call(Request(Type::kResourceCreateBlob)
                           .Context(1)
                           .With(virtio_gpu::wire::ResourceId{1000 + i, 0})),
              Type::kErrUnspec);
  }
  EXPECT_EQ(g_->shmem(1).async_error, 0u);
  EXPECT_GE(g_->NewBuffer(1, 20), Type::kErrUnspec);
  EXPECT_EQ(g_->shmem(1).async_error, 1u);
  EXPECT_EQ(g_->counters().objects.value(), ObjectTable::kMaxPending);
  EXPECT_EQ(g_->NewBuffer(2, 20), Type::kOkNodata);
  EXPECT_EQ(g_->DestroyContext(1), Type::kOkNodata);
  EXPECT_EQ(g_->counters().objects.value(), 1u);
}

}  // namespace
}  // namespace nacre::msm
