#include "devices/virtio_gpu/msm/submit_translator.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "gtest/gtest.h"

namespace nacre::msm {
namespace {

class TranslateSubmitTest : public testing::Test {
 protected:
  TranslateSubmitTest() {
    for (uint32_t resource = 10; resource < 13; ++resource) {
      EXPECT_TRUE(
          objects_.Attach(resource, *file_->New(4096, MSM_BO_WC, 0)).ok());
    }
  }

  absl::StatusOr<SubmitRequest> Translate(
      std::vector<drm_msm_gem_submit_bo> bos) {
    // One byte further on: arrays of the wire have any alignment.
    bytes_.assign(1 + bos.size() * sizeof(bos[0]), 0);
    if (!bos.empty()) {
      std::memcpy(bytes_.data() + 1, bos.data(), bytes_.size() - 1);
    }
    SubmitRequest request;
    RETURN_IF_ERROR(
        TranslateSubmit({.flags = MSM_PIPE_3D0,
                         .queue_id = 4,
                         .fence = 5,
                         .nr_bos = static_cast<uint32_t>(bos.size()),
                         .nr_cmds = 0,
                         .bos = std::span(bytes_).subspan(1),
                         .cmds = {}},
                        objects_, request));
    return request;
  }

  FakeDrmDevice device_;
  Counters counters_;
  BusyObjects busy_{counters_};
  std::shared_ptr<GemFile> file_ =
      std::make_shared<GemFile>(*device_.Open(), device_, busy_, counters_);
  ObjectTable objects_;
  std::vector<uint8_t> bytes_;
};

TEST_F(TranslateSubmitTest, ResourcesBecomeHandlesInTheirOrder) {
  const auto request = Translate({{1, 12, 9}, {2, 10, 9}, {7, 11, 9}});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->queue_id, 4u);
  EXPECT_EQ(request->fence, 5u);
  ASSERT_EQ(request->bos.size(), 3u);
  EXPECT_EQ(request->bos[0].handle, objects_.handles().Find(12));
  EXPECT_EQ(request->bos[1].handle, objects_.handles().Find(10));
  EXPECT_EQ(request->bos[2].flags, 7u);
  EXPECT_EQ(request->bos[2].presumed, 0u);
}

TEST_F(TranslateSubmitTest, AnEmptySubmitIsAFenceAlone) {
  const auto request = Translate({});
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(request->bos.empty());
  EXPECT_TRUE(request->cmds.empty());
}

TEST_F(TranslateSubmitTest, AShortSubmitBehindALongOneIsShort) {
  ASSERT_TRUE(Translate({{1, 10, 0}, {1, 11, 0}, {1, 12, 0}}).ok());
  EXPECT_EQ(Translate({{1, 11, 0}})->bos.size(), 1u);
}

TEST_F(TranslateSubmitTest, AnUnknownResourceFailsTheWholeSubmit) {
  EXPECT_EQ(StatusErrno(Translate({{1, 10, 0}, {1, 99, 0}}).status()), ENOENT);
  EXPECT_EQ(StatusErrno(Translate({{1, 0, 0}}).status()), ENOENT);
}

}  // namespace
}  // namespace nacre::msm
