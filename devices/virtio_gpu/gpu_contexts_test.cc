#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/page_size.h"
#include "devices/virtio_gpu/testing/fake_gpu.h"
#include "devices/virtio_gpu/testing/gpu_driver.h"
#include "devices/virtio_gpu/testing/requests.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"

// Capsets, contexts, and which resources they may use (virtio 1.3, 5.7.6.9).
namespace nacre::virtio_gpu {
namespace {

using wire::Type;

class GpuContextsTest : public testing::Test {
 protected:
  Type Create(uint32_t ctx_id, uint32_t capset = FakeGpu::kCapsetId) {
    return g_.Call(CreateContextRequest(ctx_id, capset));
  }
  Type Destroy(uint32_t ctx_id) {
    return g_.Call(Request(Type::kCtxDestroy).Context(ctx_id));
  }
  Type Attach(uint32_t ctx_id, uint32_t resource_id) {
    return g_.Call(
        ResourceRequest(Type::kCtxAttachResource, resource_id).Context(ctx_id));
  }
  Type Detach(uint32_t ctx_id, uint32_t resource_id) {
    return g_.Call(
        ResourceRequest(Type::kCtxDetachResource, resource_id).Context(ctx_id));
  }
  Type Unref(uint32_t resource_id) {
    return g_.Call(ResourceRequest(Type::kResourceUnref, resource_id));
  }
  Type Create2d(uint32_t id) {
    return g_.Call(Request(Type::kResourceCreate2d)
                       .With(wire::ResourceCreate2d{id, 1, 16, 16}));
  }
  std::set<uint32_t> ResourcesOf(uint32_t ctx_id) {
    return g_.gpu().contexts().at(ctx_id).resources;
  }

  GpuDriver g_;
};

using Ids = std::set<uint32_t>;

TEST_F(GpuContextsTest, RefusesUnknownCapsets) {
  EXPECT_EQ(
      g_.Call(Request(Type::kGetCapsetInfo).With(wire::GetCapsetInfo{1, 0})),
      Type::kErrInvalidParameter);
  EXPECT_EQ(g_.Call(Request(Type::kGetCapset).With(wire::GetCapset{1, 0})),
            Type::kErrInvalidParameter);
  EXPECT_EQ(g_.Call(Request(Type::kGetCapset)
                        .With(wire::GetCapset{FakeGpu::kCapsetId,
                                              FakeGpu::kCapsetVersion + 1})),
            Type::kErrInvalidParameter);
  EXPECT_EQ(Create(1, FakeGpu::kCapsetId + 1), Type::kErrInvalidParameter);
}

TEST_F(GpuContextsTest, RefusesContextZeroAndIdsInUse) {
  EXPECT_EQ(Create(0), Type::kErrInvalidContextId);
  EXPECT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(Create(1), Type::kErrInvalidContextId);
  EXPECT_EQ(Destroy(1), Type::kOkNodata);
  EXPECT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(g_.stats().contexts_created.value(), 2u);
}

TEST_F(GpuContextsTest, RefusesContextsThatNeverExisted) {
  ASSERT_EQ(Create2d(5), Type::kOkNodata);
  EXPECT_EQ(Destroy(9), Type::kErrInvalidContextId);
  EXPECT_EQ(Attach(9, 5), Type::kErrInvalidContextId);
  // Linux 6.17 and 6.18 do this for every handle closed.
  EXPECT_EQ(Detach(9, 5), Type::kErrInvalidContextId);
  EXPECT_EQ(g_.Call(SubmitRequest(9, {})), Type::kErrInvalidContextId);
  EXPECT_EQ(g_.Call(HostBlobRequest(9, 6, kLargestPageSize)),
            Type::kErrInvalidContextId);
}

// Linux 6.1 and 6.12 make one for a client that handles 2D buffers only.
TEST_F(GpuContextsTest, AContextWithoutADialectAttachesAndDoesNothingElse) {
  ASSERT_EQ(Create(1, 0), Type::kOkNodata);
  ASSERT_EQ(Create2d(5), Type::kOkNodata);
  EXPECT_EQ(Attach(1, 5), Type::kOkNodata);
  EXPECT_EQ(g_.Call(SubmitRequest(1, {})), Type::kErrInvalidParameter);
  EXPECT_EQ(g_.Call(HostBlobRequest(1, 6, kLargestPageSize)),
            Type::kErrInvalidParameter);
  EXPECT_EQ(Detach(1, 5), Type::kOkNodata);
  EXPECT_EQ(Destroy(1), Type::kOkNodata);
}

TEST_F(GpuContextsTest, ABlobMayBeUsedWhereItWasMadeAndWhereItIsAttached) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  ASSERT_EQ(Create(2), Type::kOkNodata);
  g_.CreateHostBlob(1, 7, kLargestPageSize);
  EXPECT_EQ(ResourcesOf(1), Ids({7}));
  EXPECT_EQ(Attach(1, 7), Type::kOkNodata);  // As Linux does.
  EXPECT_EQ(Attach(2, 7), Type::kOkNodata);
  EXPECT_EQ(ResourcesOf(2), Ids({7}));
  EXPECT_EQ(Detach(2, 7), Type::kOkNodata);
  EXPECT_EQ(Detach(2, 7), Type::kOkNodata);
  EXPECT_EQ(ResourcesOf(2), Ids());
  EXPECT_EQ(ResourcesOf(1), Ids({7}));
}

TEST_F(GpuContextsTest, AttachingA2dResourceIsFine) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  ASSERT_EQ(Create2d(5), Type::kOkNodata);
  EXPECT_EQ(Attach(1, 5), Type::kOkNodata);
  EXPECT_EQ(ResourcesOf(1), Ids());  // Nothing that its dialect could use.
  EXPECT_EQ(Unref(5), Type::kOkNodata);
}

TEST_F(GpuContextsTest, UnrefOfAnAttachedBlobDetachesItEverywhere) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  ASSERT_EQ(Create(2), Type::kOkNodata);
  g_.CreateHostBlob(1, 7, kLargestPageSize);
  ASSERT_EQ(Attach(2, 7), Type::kOkNodata);
  EXPECT_EQ(Unref(7), Type::kOkNodata);
  EXPECT_EQ(ResourcesOf(1), Ids());
  EXPECT_EQ(ResourcesOf(2), Ids());
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

// Nor do others wait for it: what has nothing to do with it is not looked at.
TEST_F(GpuContextsTest, UnrefCallsNoContextThatItIsNotAttachedTo) {
  constexpr uint32_t kContexts = 100;
  for (uint32_t id = 1; id <= kContexts; ++id) {
    ASSERT_EQ(Create(id), Type::kOkNodata);
  }
  g_.CreateHostBlob(1, 7, kLargestPageSize);
  ASSERT_EQ(Attach(2, 7), Type::kOkNodata);
  for (uint32_t id = 3; id <= kContexts; ++id) g_.gpu().Block(id);
  EXPECT_EQ(Unref(7), Type::kOkNodata);
  EXPECT_EQ(ResourcesOf(2), Ids());
  for (uint32_t id = 3; id <= kContexts; ++id) g_.gpu().Unblock(id);
}

// Linux: UNREF is deferred, and the id has a new owner by then.
TEST_F(GpuContextsTest, UnrefMayComeAfterDestroyAndANewContextOfTheSameId) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  g_.CreateHostBlob(1, 7, kLargestPageSize);
  ASSERT_EQ(Destroy(1), Type::kOkNodata);
  EXPECT_EQ(g_.gpu().live_blobs(), 1);
  ASSERT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(ResourcesOf(1), Ids());
  EXPECT_EQ(Detach(1, 7), Type::kOkNodata);
  EXPECT_EQ(Unref(7), Type::kOkNodata);
  EXPECT_EQ(g_.gpu().live_blobs(), 0);
}

TEST_F(GpuContextsTest, AContextsErrorsReachTheGuestAndLeaveNothingBehind) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  ASSERT_EQ(Create(2), Type::kOkNodata);
  g_.CreateHostBlob(1, 7, kLargestPageSize);
  g_.gpu().FailWith(absl::ResourceExhaustedError("no memory"));
  EXPECT_EQ(Create(3), Type::kErrOutOfMemory);
  EXPECT_EQ(g_.Call(HostBlobRequest(1, 8, kLargestPageSize)),
            Type::kErrOutOfMemory);
  EXPECT_EQ(Attach(2, 7), Type::kErrOutOfMemory);
  EXPECT_EQ(g_.Call(MapRequest(7, 0)), Type::kErrOutOfMemory);
  g_.gpu().FailWith(absl::OkStatus());
  EXPECT_EQ(ResourcesOf(2), Ids());
  EXPECT_EQ(Create(3), Type::kOkNodata);
  g_.CreateHostBlob(1, 8, kLargestPageSize);
  EXPECT_EQ(Attach(2, 7), Type::kOkNodata);
}

TEST_F(GpuContextsTest, AFailedSubmissionIsCountedAndAnswered) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  const FakeGpu::FakeCommand commands[] = {{FakeGpu::Op::kNop, 0},
                                           {FakeGpu::Op::kFail, 0}};
  EXPECT_EQ(g_.Call(SubmitRequest(1, AsBytes(commands))),
            Type::kErrInvalidParameter);
  EXPECT_EQ(g_.stats().submissions.value(), 1u);
  EXPECT_EQ(g_.stats().submissions_failed.value(), 1u);
  EXPECT_EQ(g_.stats().errors(Type::kErrInvalidParameter).value(), 1u);
}

TEST_F(GpuContextsTest, RefusesTheCommandsOfTheVirglDialect) {
  ASSERT_EQ(Create(1), Type::kOkNodata);
  EXPECT_EQ(
      g_.Call(Request(Type::kResourceCreate3d).With(wire::ResourceCreate3d{})),
      Type::kErrUnspec);
  for (const Type type : {Type::kTransferToHost3d, Type::kTransferFromHost3d}) {
    EXPECT_EQ(g_.Call(Request(type).With(wire::TransferHost3d{})),
              Type::kErrUnspec);
  }
}

}  // namespace
}  // namespace nacre::virtio_gpu
