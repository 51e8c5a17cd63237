#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_CONTEXT_TEST_BASE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_CONTEXT_TEST_BASE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/page_size.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/msm/testing/fake_drm_device.h"
#include "devices/virtio_gpu/msm/testing/guest.h"
#include "gtest/gtest.h"

namespace nacre::msm {

// Open file descriptors of this process, and its mappings of memfds: objects
// and control memory.
size_t CountFds();
size_t CountMappings();

// Whether a poll of the fd finds it readable now.
bool Readable(const Fd& fd);

// A guest on the context type over the fake driver. Whatever a test did, at its
// end nothing may be left of it: handles, files, queues, descriptors, mappings.
class ContextTestBase : public testing::Test {
 protected:
  static constexpr uint64_t kIova = FakeDrmDevice::kVaStart;
  static constexpr uint64_t kPage = kLargestPageSize;

  explicit ContextTestBase(uint64_t shmem_size = Guest::kShmemSize);

  void TearDown() override;

  const Counters& counters() const { return type_->counters(); }

  const size_t fds_before_ = CountFds();
  FakeDrmDevice device_;
  std::unique_ptr<MsmContextType> type_;
  std::optional<Guest> guest_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_CONTEXT_TEST_BASE_H_
