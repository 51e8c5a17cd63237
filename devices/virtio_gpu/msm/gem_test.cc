#include "devices/virtio_gpu/msm/gem.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/errno_status.h"
#include "base/fd.h"
#include "base/page_size.h"
#include "base/testing/allocations.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

constexpr uint64_t kPage = kLargestPageSize;
constexpr uint64_t kIova = FakeDrmDevice::kVaStart;

class GemTest : public testing::Test {
 protected:
  size_t set_iovas() const { return device_.calls(DrmCall::kGemSetIova); }

  FakeDrmDevice device_;
  Counters counters_;
  BusyObjects busy_{counters_};
  std::shared_ptr<GemFile> file_ = std::make_shared<GemFile>(
      *OpenCounted(device_, counters_), device_, busy_, counters_);
};

TEST_F(GemTest, AnObjectThatCannotHaveItsAddressIsNotMade) {
  device_.FailOnce(DrmCall::kGemSetIova, ENOSPC);
  EXPECT_EQ(StatusErrno(file_->New(kPage, MSM_BO_WC, kIova).status()), ENOSPC);
  EXPECT_EQ(device_.handles(), 0u);
}

TEST_F(GemTest, AddressesCostNoMoreCallsThanTheyMust) {
  auto object = *file_->New(kPage, MSM_BO_WC, kIova);
  EXPECT_TRUE(object->SetIova(kIova).ok());
  EXPECT_EQ(set_iovas(), 1u);
  EXPECT_TRUE(object->SetIova(0).ok());
  EXPECT_TRUE(object->SetIova(0).ok());
  object.reset();
  EXPECT_EQ(set_iovas(), 2u);
}

// Attack: a large one, moved to and fro by one SUBMIT_3D.
TEST_F(GemTest, ACommandMovesNoMoreThanThereMayBe) {
  file_.reset();
  file_ = std::make_shared<GemFile>(
      *OpenCounted(device_, counters_), device_, busy_, counters_,
      Limits{.max_object_bytes = 4 * kPage,
             .max_context_object_bytes = 2 * kPage});
  const auto object = *file_->New(2 * kPage, MSM_BO_WC, kIova);
  for (int command = 0; command < 2; ++command) {
    EXPECT_TRUE(object->SetIova(0).ok());
    EXPECT_TRUE(object->SetIova(kIova).ok());
    EXPECT_TRUE(object->SetIova(0).ok());
    EXPECT_EQ(StatusErrno(object->SetIova(kIova)), ENOSPC);
    EXPECT_EQ(device_.iova(object->handle()), 0u);
    file_->EndCommand();
    EXPECT_TRUE(object->SetIova(kIova).ok());
    file_->EndCommand();
  }
}

// GEM_SUBMIT gives an address to an object that has none. To set another one
// over it would be a warning in the host's log, as often as a guest likes.
TEST_F(GemTest, AnAddressOfTheDriversIsGivenBackFirst) {
  const auto object = *file_->New(kPage, MSM_BO_WC, 0);
  const std::array<drm_msm_gem_submit_bo, 1> bos = {
      {{MSM_SUBMIT_BO_READ, object->handle(), 0}}};
  for (uint64_t iova = kIova; iova < kIova + 3 * kPage; iova += kPage) {
    ASSERT_TRUE(file_->drm()
                    .GemSubmit({.flags = MSM_PIPE_3D0, .bos = bos, .cmds = {}})
                    .ok());
    device_.FinishAll();
    ASSERT_NE(device_.iova(object->handle()), 0u);
    EXPECT_TRUE(object->SetIova(iova).ok());
    EXPECT_EQ(device_.iova(object->handle()), iova);
    EXPECT_TRUE(object->SetIova(0).ok());
  }
  EXPECT_EQ(device_.warnings(), 0u);
}

TEST_F(GemTest, AnAddressStillSetIsGivenBackBeforeTheHandle) {
  // Somebody else has the object open, so that closing does not free it.
  auto object = *file_->New(kPage, MSM_BO_WC, kIova);
  const Fd dmabuf = *object->Export();
  object.reset();
  EXPECT_EQ(set_iovas(), 2u);
  EXPECT_EQ(device_.handles(), 0u);
}

// Linux 6.1 refuses while the GPU uses the object.
TEST_F(GemTest, AReleaseThatFailedIsTriedAgain) {
  auto object = *file_->New(kPage, MSM_BO_WC, kIova);
  device_.FailOnce(DrmCall::kGemSetIova, EBUSY);
  EXPECT_EQ(StatusErrno(object->SetIova(0)), EBUSY);
  EXPECT_TRUE(object->SetIova(0).ok());
  EXPECT_EQ(device_.iova(object->handle()), 0u);
}

TEST_F(GemTest, ImportingWhatIsOpenGivesTheSameObject) {
  const auto object = *file_->New(kPage, MSM_BO_WC, 0);
  const Fd dmabuf = *object->Export();
  EXPECT_EQ(*file_->Import(dmabuf.get(), kPage), object);
  EXPECT_EQ(*file_->Import(dmabuf.get(), kPage), object);
  EXPECT_EQ(counters_.objects.value(), 1u);
}

TEST_F(GemTest, AnImportIsAsLargeAsItIsSaidToBe) {
  const auto object = *file_->New(2 * kPage, MSM_BO_WC, 0);
  const Fd dmabuf = *object->Export();
  const auto importer = std::make_shared<GemFile>(
      *OpenCounted(device_, counters_), device_, busy_, counters_);
  const size_t handles = device_.handles();
  EXPECT_EQ(importer->Import(dmabuf.get(), 3 * kPage).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(device_.handles(), handles);
  const auto imported = *importer->Import(dmabuf.get(), 2 * kPage);
  EXPECT_EQ(imported->size(), 2 * kPage);
}

TEST_F(GemTest, AHandleUsedAgainIsAnotherObject) {
  auto first = *file_->New(kPage, MSM_BO_WC, 0);
  const uint32_t handle = first->handle();
  EXPECT_TRUE(first->Export().ok());
  first.reset();
  const auto second = *file_->New(kPage, MSM_BO_WC, 0);
  ASSERT_EQ(second->handle(), handle);
  const Fd dmabuf = *second->Export();
  EXPECT_EQ(*file_->Import(dmabuf.get(), kPage), second);
}

// A guest has many files, and attaches the same objects to one after the other.
TEST_F(GemTest, ClosedImportsLeaveNothingBehind) {
  constexpr int kMany = 200;
  constexpr int64_t kMaxBytes = 512;
  std::vector<std::shared_ptr<GemObject>> objects;
  std::vector<Fd> dmabufs;
  for (int i = 0; i < kMany; ++i) {
    objects.push_back(*file_->New(kPage, MSM_BO_WC, 0));
    dmabufs.push_back(*objects.back()->Export());
  }
  const auto importer = std::make_shared<GemFile>(
      *OpenCounted(device_, counters_), device_, busy_, counters_);
  const int64_t before = HeapBytes();
  {
    std::vector<std::shared_ptr<GemObject>> imports;
    for (const Fd& dmabuf : dmabufs) {
      imports.push_back(*importer->Import(dmabuf.get(), kPage));
    }
  }
  EXPECT_LE(HeapBytes() - before, kMaxBytes);
}

TEST_F(GemTest, AnObjectKeepsItsFile) {
  auto object = *file_->New(kPage, MSM_BO_WC, 0);
  file_.reset();
  EXPECT_EQ(device_.files(), 1u);
  EXPECT_TRUE(object->GetMemory().ok());
  object.reset();
  EXPECT_EQ(device_.files(), 0u);
  EXPECT_EQ(counters_.files.value(), 0u);
}

TEST_F(GemTest, UploadsMapTheObjectOnce) {
  const auto object = *file_->New(2 * kPage, MSM_BO_WC, 0);
  const std::vector<uint8_t> data(100, 7);
  EXPECT_TRUE(object->Upload(kPage - 6, data).ok());
  EXPECT_TRUE(object->Upload(0, data).ok());
  EXPECT_TRUE(object->Upload(0, {}).ok());
  EXPECT_FALSE(object->Upload(2 * kPage - 99, data).ok());
  EXPECT_EQ(device_.calls(DrmCall::kGemGetMemory), 1u);
  EXPECT_EQ(counters_.upload_bytes.value(), 200u);
}

}  // namespace
}  // namespace nacre::msm
