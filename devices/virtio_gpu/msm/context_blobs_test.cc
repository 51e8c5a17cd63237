#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/object_table.h"
#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// Blobs, attachments, and who outlives whom.

namespace nacre::msm {
namespace {

using absl::StatusCode;

class ContextBlobsTest : public ContextTestBase {
 protected:
  absl::Status GemNew(uint32_t blob_id, uint64_t size, uint64_t iova) {
    guest_->batch().Add(MSM_CCMD_GEM_NEW, {Low(iova), High(iova), Low(size),
                                           High(size), MSM_BO_WC, blob_id});
    return guest_->Flush();
  }
  absl::StatusOr<std::unique_ptr<virtio_gpu::Blob>> CreateBlob(
      uint32_t resource_id, uint64_t blob_id, uint64_t size) {
    return guest_->context().CreateBlob({.resource_id = resource_id,
                                         .blob_id = blob_id,
                                         .size = size,
                                         .mappable = true});
  }
  void SetIova(Guest& guest, uint32_t resource_id, uint64_t iova) {
    guest.batch().Add(MSM_CCMD_GEM_SET_IOVA,
                      {Low(iova), High(iova), resource_id, 0});
    EXPECT_TRUE(guest.Flush().ok());
  }
};

TEST_F(ContextBlobsTest, ABlobWithoutGemNewIsRefused) {
  EXPECT_EQ(CreateBlob(50, 7, kPage).status().code(), StatusCode::kNotFound);
}

TEST_F(ContextBlobsTest, ABlobIdIsUsedOnce) {
  ASSERT_TRUE(GemNew(7, kPage, kIova).ok());
  EXPECT_FALSE(GemNew(7, kPage, kIova + kPage).ok());
  EXPECT_EQ(guest_->async_error(), 1u);
  EXPECT_EQ(device_.handles(), 1u);
  const auto blob = CreateBlob(50, 7, kPage);
  EXPECT_TRUE(blob.ok());
  EXPECT_EQ(CreateBlob(51, 7, kPage).status().code(), StatusCode::kNotFound);
  guest_->context().DetachResource(50);
}

TEST_F(ContextBlobsTest, ABlobOfAnotherSizeIsRefusedAndTheObjectGoesBack) {
  ASSERT_TRUE(GemNew(7, kPage, kIova).ok());
  EXPECT_EQ(CreateBlob(50, 7, 2 * kPage).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(device_.handles(), 0u);
  EXPECT_EQ(counters().object_bytes.value(), 0u);
}

TEST_F(ContextBlobsTest, AResourceIdInUseIsRefusedAndTheObjectGoesBack) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  ASSERT_TRUE(GemNew(70, kPage, kIova + kPage).ok());
  EXPECT_EQ(CreateBlob(buffer, 70, kPage).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(device_.handles(), 1u);
}

TEST_F(ContextBlobsTest, SizesThatAreNoneAreRefused) {
  for (const uint64_t size : {uint64_t{0}, ~uint64_t{0}, ~uint64_t{0} - 4094}) {
    EXPECT_FALSE(GemNew(7, size, kIova).ok()) << size;
  }
  EXPECT_EQ(device_.calls(DrmCall::kGemNew), 1u);  // The probe's.
}

TEST_F(ContextBlobsTest, ObjectsNobodyClaimsAreCapped) {
  for (uint32_t i = 0; i < ObjectTable::kMaxPending; ++i) {
    ASSERT_TRUE(GemNew(10 + i, kPage, kIova + i * kPage).ok());
  }
  EXPECT_FALSE(GemNew(5000, kPage, kIova + 5000 * kPage).ok());
  EXPECT_EQ(device_.handles(), ObjectTable::kMaxPending);
}

TEST_F(ContextBlobsTest, UnclaimedObjectsGoWithTheContext) {
  ASSERT_TRUE(GemNew(7, kPage, kIova).ok());
  guest_->DestroyContext();
  EXPECT_EQ(device_.objects(), 0u);
  EXPECT_EQ(device_.files(), 0u);
}

TEST_F(ContextBlobsTest, ASecondControlMemoryIsRefusedWhileTheFirstIsInUse) {
  EXPECT_EQ(CreateBlob(50, 0, 0x4000).status().code(),
            StatusCode::kAlreadyExists);
  guest_->batch().Add(MSM_CCMD_NOP, {});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->seqno(), 1u);
}

// Turnip closes the control memory of its first context and keeps that open.
TEST_F(ContextBlobsTest, CommandsRunAfterTheControlMemoryIsClosed) {
  guest_->CloseBuffer(Guest::kShmemResource);
  guest_->batch().Add(MSM_CCMD_NOP, {});
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_TRUE(CreateBlob(50, 0, 0x4000).ok());
}

TEST_F(ContextBlobsTest, UnmappableAndUnshareableBlobsSaySo) {
  ASSERT_TRUE(GemNew(7, kPage, kIova).ok());
  const auto blob = guest_->context().CreateBlob(
      {.resource_id = 50, .blob_id = 7, .size = kPage});
  ASSERT_TRUE(blob.ok());
  EXPECT_EQ((*blob)->GetMemory().status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ((*blob)->Export().status().code(), StatusCode::kFailedPrecondition);
  guest_->context().DetachResource(50);
}

TEST_F(ContextBlobsTest, ClosingABufferFreesItsAddressAndObject) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  guest_->CloseBuffer(buffer);
  EXPECT_EQ(device_.objects(), 0u);
  EXPECT_TRUE(guest_->NewBuffer(kPage, kIova).ok());
}

// Turnip's device destroys buffers whose address is still set; another process
// may hold on to them.
TEST_F(ContextBlobsTest, DetachingGivesTheAddressBackThoughTheBlobLives) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  guest_->context().DetachResource(buffer);
  EXPECT_EQ(device_.iova(1), 0u);
  EXPECT_TRUE(guest_->NewBuffer(kPage, kIova).ok());
}

TEST_F(ContextBlobsTest, ADetachedResourceIsUnknown) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  guest_->context().DetachResource(buffer);
  EXPECT_EQ(guest_->CallForResult(MSM_CCMD_GEM_CPU_PREP, {buffer, 1}), -ENOENT);
  guest_->context().DetachResource(buffer);
  guest_->context().DetachResource(12345);
}

TEST_F(ContextBlobsTest, AMappedBlobKeepsItsBytesWhenAllElseIsGone) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  const Mapping window = guest_->Map(buffer);
  window.data()[100] = 77;
  guest_->DestroyContext();
  guest_->CloseBuffer(buffer);
  EXPECT_EQ(window.data()[100], 77);
}

// The guest's kernel unreferences resources after CTX_DESTROY.
TEST_F(ContextBlobsTest, ABlobWorksAfterItsContextIsGone) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, MSM_BO_WC, true);
  guest_->Map(buffer).data()[5] = 55;
  guest_->DestroyContext();
  EXPECT_EQ(counters().contexts.value(), 0u);
  EXPECT_EQ(counters().files.value(), 1u);
  EXPECT_EQ(guest_->Map(buffer).data()[5], 55);
  Guest other(*type_);
  ASSERT_TRUE(
      other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
  guest_->CloseBuffer(buffer);
  EXPECT_EQ(counters().files.value(), 1u);
  EXPECT_EQ(device_.objects(), 1u);
  other.context().DetachResource(buffer);
  EXPECT_EQ(device_.objects(), 0u);
}

TEST_F(ContextBlobsTest, AnImportedBufferHasAnAddressOfItsOwn) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, MSM_BO_WC, true);
  Guest other(*type_);
  ASSERT_TRUE(
      other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
  // The same address is free in this context.
  SetIova(other, buffer, kIova + 9 * kPage);
  const std::vector<uint8_t> data = {1, 2, 3, 4};
  other.batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, 4}, data);
  EXPECT_TRUE(other.Flush().ok());
  EXPECT_EQ(guest_->Map(buffer).data()[3], 4);
  EXPECT_EQ(counters().objects_imported.value(), 1u);
  // Imported memory is not counted twice.
  EXPECT_EQ(counters().object_bytes.value(), kPage);
}

TEST_F(ContextBlobsTest, AttachingTwiceIsOneAttachment) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, MSM_BO_WC, true);
  Guest other(*type_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
  }
  EXPECT_EQ(device_.calls(DrmCall::kGemImport), 1u);
  other.context().DetachResource(buffer);
  EXPECT_EQ(device_.handles(), 1u);
}

// PRIME gives the handle that is open already: closing it once is too often.
TEST_F(ContextBlobsTest, ABufferThatComesHomeKeepsItsHandle) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, MSM_BO_WC, true);
  guest_->context().DetachResource(buffer);
  ASSERT_TRUE(
      guest_->context().AttachResource(buffer, guest_->blob(buffer)).ok());
  EXPECT_EQ(device_.handles(), 1u);
  SetIova(*guest_, buffer, kIova);
  EXPECT_EQ(device_.iova(1), kIova);
  guest_->context().DetachResource(buffer);
  // Still the blob's.
  EXPECT_EQ(device_.handles(), 1u);
  EXPECT_TRUE(guest_->blob(buffer).GetMemory().ok());
}

TEST_F(ContextBlobsTest, OneObjectUnderTwoResourceIdsIsClosedOnce) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, MSM_BO_WC, true);
  Guest other(*type_);
  ASSERT_TRUE(other.context().AttachResource(900, guest_->blob(buffer)).ok());
  ASSERT_TRUE(other.context().AttachResource(901, guest_->blob(buffer)).ok());
  EXPECT_EQ(device_.handles(), 2u);
  other.context().DetachResource(900);
  EXPECT_EQ(device_.handles(), 2u);
  SetIova(other, 901, kIova);
  other.context().DetachResource(901);
  EXPECT_EQ(device_.handles(), 1u);
}

TEST_F(ContextBlobsTest, WhatIsNotShareableCannotBeAttachedElsewhere) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  Guest other(*type_);
  EXPECT_EQ(other.context().AttachResource(buffer, guest_->blob(buffer)).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(other.context()
                .AttachResource(77, guest_->blob(Guest::kShmemResource))
                .code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(ContextBlobsTest, AFailedImportLeavesNothing) {
  const uint32_t buffer = *guest_->NewBuffer(kPage, kIova, MSM_BO_WC, true);
  Guest other(*type_);
  const size_t fds = CountFds();
  for (const DrmCall call : {DrmCall::kGemExport, DrmCall::kGemImport}) {
    device_.FailOnce(call, EMFILE);
    EXPECT_FALSE(
        other.context().AttachResource(buffer, guest_->blob(buffer)).ok());
  }
  EXPECT_EQ(CountFds(), fds);
  EXPECT_EQ(device_.handles(), 1u);
}

TEST_F(ContextBlobsTest, TheUploadMappingGoesWithTheHandle) {
  const std::vector<uint8_t> data = {9, 9, 9, 9};
  uint32_t buffer = *guest_->NewBuffer(kPage, kIova);
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, 0, 4}, data);
  EXPECT_TRUE(guest_->Flush().ok());
  guest_->CloseBuffer(buffer);
  // This one gets the same handle.
  buffer = *guest_->NewBuffer(2 * kPage, kIova);
  guest_->batch().Add(MSM_CCMD_GEM_UPLOAD, {buffer, 0, kPage, 4}, data);
  EXPECT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(guest_->Map(buffer).data()[kPage], 9);
  EXPECT_EQ(guest_->Map(buffer).data()[0], 0);
}

// RESOURCE_CREATE_BLOB that the device refuses.
TEST_F(ContextBlobsTest, WhatACancelledBlobWaitedForIsGone) {
  guest_->batch().Add(MSM_CCMD_GEM_NEW, {0, 0, Low(kPage), 0, MSM_BO_WC, 9});
  ASSERT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(counters().objects.value(), 1u);
  guest_->context().CancelBlob(8);
  EXPECT_EQ(counters().objects.value(), 1u);
  guest_->context().CancelBlob(9);
  EXPECT_EQ(counters().objects.value(), 0u);
  EXPECT_FALSE(guest_->context()
                   .CreateBlob({.resource_id = 9, .blob_id = 9, .size = kPage})
                   .ok());
}

class ContextWithoutShmemTest : public ContextTestBase {
 protected:
  ContextWithoutShmemTest() : ContextTestBase(0) {}
};

TEST_F(ContextWithoutShmemTest, EveryCommandRunsWithoutControlMemory) {
  EXPECT_TRUE(guest_->NewBuffer(kPage, kIova).ok());
  for (uint32_t cmd = 0; cmd <= MSM_CCMD_LAST; ++cmd) {
    guest_->batch().Add(cmd, {1, 2, 3, 4, 5, 6});
    guest_->Flush().IgnoreError();
  }
  // A fence on a GPU ring, whose end has nowhere to show a fault.
  ASSERT_TRUE(guest_->Submit({.queue_id = 0}).ok());
  ASSERT_TRUE(guest_->Flush(2).ok());
  const Fd fence = *guest_->context().FenceRing(2);
  EXPECT_TRUE(fence.valid());
  device_.FinishAll();
  EXPECT_TRUE(Readable(fence));
}

TEST_F(ContextWithoutShmemTest, ControlMemoryOfAnyWrongSizeIsRefused) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1} << 32,
                              uint64_t{0xffffffff}, uint64_t{1} << 63}) {
    EXPECT_FALSE(guest_->context()
                     .CreateBlob({.resource_id = 9,
                                  .blob_id = 0,
                                  .size = size,
                                  .mappable = true})
                     .ok());
  }
  EXPECT_TRUE(
      guest_->context()
          .CreateBlob(
              {.resource_id = 9, .blob_id = 0, .size = kPage, .mappable = true})
          .ok());
}

TEST_F(ContextBlobsTest, BuffersOfAllContextsTogetherAreCapped) {
  const uint64_t half = Limits().max_object_bytes / 2;
  const uint32_t first = *guest_->NewBuffer(half, 0);
  Guest second(*type_);
  ASSERT_TRUE(second.NewBuffer(half, 0).ok());
  // Each of them has what one may have: it is all that a third one meets.
  Guest third(*type_);
  EXPECT_FALSE(third.NewBuffer(kPage, 0).ok());
  EXPECT_EQ(third.async_error(), 1u);
  guest_->CloseBuffer(first);
  EXPECT_TRUE(third.NewBuffer(kPage, 0).ok());
}

TEST_F(ContextBlobsTest, ControlMemoriesThatOutliveContextsAreCapped) {
  std::vector<std::unique_ptr<virtio_gpu::Blob>> kept;
  const virtio_gpu::BlobRequest request = {
      .resource_id = 1, .blob_id = 0, .size = kPage, .mappable = true};
  const uint64_t present = counters().control_memories.value();
  const uint64_t most = Limits().max_control_memories;
  for (uint64_t i = present; i <= most; ++i) {
    const auto context = type_->CreateContext(7, "");
    ASSERT_TRUE(context.ok()) << context.status();
    auto blob = (*context)->CreateBlob(request);
    ASSERT_EQ(blob.ok(), i < most) << i;
    if (blob.ok()) kept.push_back(*std::move(blob));
  }
}

TEST_F(ContextBlobsTest, TheFirstCallOnAFileIsNeverAGuests) {
  // Linux from 6.17 on falls over a GEM_SUBMIT on a file without a VM.
  const size_t before = device_.calls(DrmCall::kGetParam);
  const Guest bare(*type_, /*shmem_size=*/0);
  EXPECT_GT(device_.calls(DrmCall::kGetParam), before);
}

}  // namespace
}  // namespace nacre::msm
