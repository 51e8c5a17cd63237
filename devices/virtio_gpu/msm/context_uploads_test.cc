#include <cstddef>
#include <cstdint>
#include <vector>

#include "devices/virtio_gpu/msm/testing/context_test_base.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "gtest/gtest.h"

// GEM_UPLOAD to more than one buffer, and to large ones: what is mapped, and
// for how long.

namespace nacre::msm {
namespace {

class ContextUploadsTest : public ContextTestBase {
 protected:
  std::vector<uint32_t> NewBuffers(size_t count, uint64_t size) {
    std::vector<uint32_t> buffers;
    for (size_t i = 0; i < count; ++i) {
      buffers.push_back(*guest_->NewBuffer(size, kIova + i * size));
    }
    return buffers;
  }
  void AddUpload(uint32_t buffer, uint32_t offset,
                 const std::vector<uint8_t>& data) {
    guest_->batch().Add(MSM_CCMD_GEM_UPLOAD,
                        {buffer, 0, offset, static_cast<uint32_t>(data.size())},
                        data);
  }
};

// Attack stopped: a SUBMIT_3D that takes seconds, by mapping such buffers one
// by one.
TEST_F(ContextUploadsTest, UploadsToHugeBuffersKeepNoMappingOfThem) {
  constexpr uint64_t kHuge = uint64_t{1} << 30;
  const std::vector<uint32_t> buffers = NewBuffers(3, kHuge);
  const size_t mappings = CountMappings();
  // Across the end of a page.
  const std::vector<uint8_t> data = {1, 2, 3, 4};
  for (uint32_t i = 0; i < 1000; ++i) {
    AddUpload(buffers[i % buffers.size()], Low(kHuge) - 4, data);
  }
  AddUpload(buffers[1], 3 * kPage - 2, data);
  ASSERT_TRUE(guest_->Flush().ok());
  EXPECT_EQ(device_.calls(DrmCall::kGemGetMemory), buffers.size());
  EXPECT_EQ(CountMappings(), mappings);
  const Mapping memory = guest_->Map(buffers[1]);
  EXPECT_EQ(std::vector<uint8_t>(memory.data() + 3 * kPage - 2,
                                 memory.data() + 3 * kPage + 2),
            data);
}

}  // namespace
}  // namespace nacre::msm
