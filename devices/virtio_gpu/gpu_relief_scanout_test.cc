#include <cstdint>
#include <thread>
#include <vector>

#include "devices/virtio/testing/guest_ram.h"
#include "devices/virtio_gpu/gpu_relief_test_base.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// Blobs of contexts whose calls block, and scanouts that are to show them.
namespace nacre::virtio_gpu {
namespace {

// Its context is told of a blob that is refused.
TEST_F(GpuReliefTest, ARefusalMayBlock) {
  for (const uint64_t size : {uint64_t{0}, kPage}) {
    g_.gpu().Block(kBlocked);
    // One does not decode, one names a resource that has its id already.
    if (size != 0) g_.CreateHostBlob(kOther, 5, kPage);
    g_.Start(HostBlobRequest(kBlocked, 5, size));
    g_.gpu().WaitBlocked(1);
    g_.Start(HostBlobRequest(kBlocked, 6, 0));
    EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
    g_.gpu().Unblock(kBlocked);
    EXPECT_EQ(WaitAnswers(2),
              std::vector<Type>({size == 0 ? Type::kErrInvalidParameter
                                           : Type::kErrInvalidResourceId,
                                 Type::kErrInvalidParameter}));
  }
}

class GpuReliefBackingTest : public GpuReliefTest {
 protected:
  GpuReliefBackingTest() : GpuReliefTest({kBlocked, kOther}, Config()) {}
  static VirtioGpu::Config Config() {
    VirtioGpu::Config config = GpuDriver::DefaultConfig();
    config.limits.max_total_mem_entries = 1;
    return config;
  }
};

// Where it is made and its backing is refused, it is destroyed again.
TEST_F(GpuReliefBackingTest, EachCallOfARefusalMayBlock) {
  wire::ResourceCreateBlob create = {};
  create.resource_id = 5;
  create.blob_mem = static_cast<uint32_t>(wire::BlobMem::kHost3dGuest);
  create.nr_entries = 2;
  create.size = 2 * kPage;
  const uint64_t ram = virtio::GuestRam::kBase;
  g_.gpu().Block(kBlocked);
  g_.Start(Request(Type::kResourceCreateBlob)
               .Context(kBlocked)
               .With(create)
               .With(wire::MemEntry{ram, kPage, 0})
               .With(wire::MemEntry{ram, kPage, 0}));
  // CreateBlob, DetachResource, ~Blob, CancelBlob.
  for (int call = 0; call < 4; ++call) {
    g_.gpu().WaitBlocked(1);
    EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
    g_.gpu().LetOneThrough(kBlocked);
  }
  EXPECT_EQ(WaitAnswers(1), std::vector<Type>({Type::kErrOutOfMemory}));
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

class GpuReliefScanoutTest : public GpuReliefTest {
 protected:
  // kBlocked waits for the memory of its blob 5, which scanout 0 is to show.
  void BlockOnScanout() {
    g_.CreateHostBlob(kBlocked, 5, kPage);
    g_.gpu().Block(kBlocked);
    wire::SetScanoutBlob set = {};
    set.r = {0, 0, 16, 16};
    set.resource_id = 5;
    set.width = set.height = 16;
    set.format = 1;
    set.strides[0] = 64;
    g_.Start(Request(Type::kSetScanoutBlob).With(set));
    g_.gpu().WaitBlocked(1);
  }
  static Request Flush(uint32_t resource_id) {
    return Request(Type::kResourceFlush)
        .With(wire::ResourceFlush{{0, 0, 16, 16}, resource_id, 0});
  }
  static Request SetScanout(uint32_t scanout_id, uint32_t resource_id) {
    return Request(Type::kSetScanout)
        .With(wire::SetScanout{{0, 0, 16, 16}, scanout_id, resource_id});
  }
  // A 2D resource.
  void CreateImage(uint32_t resource_id) {
    ASSERT_EQ(
        g_.Call(Request(Type::kResourceCreate2d)
                    .With(wire::ResourceCreate2d{resource_id, 1, 16, 16})),
        Type::kOkNodata);
  }
};

TEST_F(GpuReliefScanoutTest, OtherContextsAndScanoutsGoOn) {
  CreateImage(6);
  BlockOnScanout();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  EXPECT_EQ(g_.Call(SetScanout(1, 6)), Type::kOkNodata);
  EXPECT_EQ(g_.Call(Flush(6)), Type::kOkNodata);
  EXPECT_TRUE(g_.sink().frame(1).has_value());
  EXPECT_FALSE(g_.sink().frame(0).has_value());
}

TEST_F(GpuReliefScanoutTest, WhatConcernsItComesAfterIt) {
  CreateImage(6);
  BlockOnScanout();
  g_.Submit(Flush(5));
  g_.Submit(SetScanout(0, 6));
  g_.Submit(Flush(5));  // Shows no longer.
  g_.Submit(Flush(6));
  g_.Kick();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  EXPECT_EQ(g_.sink().frames_presented(), 0u);
  g_.gpu().Unblock(kBlocked);
  EXPECT_EQ(WaitAnswers(5), std::vector<Type>(5, Type::kOkNodata));
  EXPECT_EQ(g_.sink().frames_presented(), 2u);
}

TEST_F(GpuReliefScanoutTest, ItsResourceAndItsContextEndAfterIt) {
  BlockOnScanout();
  g_.Submit(Request(Type::kCtxDestroy).Context(kBlocked));
  g_.Submit(Flush(5));
  g_.Submit(ResourceRequest(Type::kResourceUnref, 5));
  g_.Submit(ResourceRequest(Type::kResourceUnref, 5));
  g_.Kick();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  EXPECT_EQ(g_.gpu().live_blobs(), 1);
  g_.gpu().Unblock(kBlocked);
  EXPECT_EQ(WaitAnswers(5), std::vector<Type>({Type::kOkNodata, Type::kOkNodata,
                                               Type::kOkNodata, Type::kOkNodata,
                                               Type::kErrInvalidResourceId}));
  EXPECT_EQ(g_.sink().frames_presented(), 1u);
  EXPECT_FALSE(g_.sink().frame(0).has_value());
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

TEST_F(GpuReliefScanoutTest, AResetWaitsForItAndForgetsWhatWaitsForIt) {
  BlockOnScanout();
  g_.Submit(Flush(5));
  g_.Submit(ResourceRequest(Type::kResourceUnref, 5));
  g_.Kick();
  EXPECT_EQ(g_.Call(Tagged(kOther, 1)), Type::kOkNodata);
  std::thread unblock([this] { g_.gpu().Unblock(kBlocked); });
  g_.driver().Reset();
  unblock.join();
  EXPECT_FALSE(g_.sink().frame(0).has_value());
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
  ASSERT_TRUE(g_.driver().Start().ok());
  g_.CreateContext(kBlocked);
  EXPECT_EQ(g_.Call(Tagged(kBlocked, 1)), Type::kOkNodata);
}

}  // namespace
}  // namespace nacre::virtio_gpu
