#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_LIBDRM_FILE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_LIBDRM_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/libdrm_device.h"

namespace nacre::msm {

// DrmFile as ioctls on an open msm render node.
class LibdrmFile final : public DrmFile {
 public:
  LibdrmFile(Fd fd, DrmIoctl& ioctl) : fd_(std::move(fd)), ioctl_(ioctl) {}

  absl::StatusOr<uint64_t> GetParam(uint32_t param) override;
  absl::Status SetParamString(uint32_t param,
                              const std::string& value) override;
  absl::StatusOr<uint32_t> GemNew(uint64_t size, uint32_t flags) override;
  absl::Status GemClose(uint32_t handle) override;
  absl::Status GemSetIova(uint32_t handle, uint64_t iova) override;
  absl::Status GemSetName(uint32_t handle, const std::string& name) override;
  absl::Status GemCpuPrep(uint32_t handle, uint32_t op) override;
  absl::StatusOr<GemMemory> GemGetMemory(uint32_t handle) override;
  absl::StatusOr<uint64_t> GemGetSize(uint32_t handle) override;
  absl::StatusOr<Fd> GemExport(uint32_t handle) override;
  absl::StatusOr<uint32_t> GemImport(int dmabuf) override;
  absl::StatusOr<Fd> GemSubmit(const SubmitRequest& request) override;
  absl::Status WaitFence(uint32_t queue_id, uint32_t fence,
                         uint32_t flags) override;
  absl::StatusOr<uint32_t> SubmitqueueNew(uint32_t flags,
                                          uint32_t prio) override;
  absl::Status SubmitqueueClose(uint32_t id) override;
  absl::StatusOr<uint32_t> SubmitqueueQuery(uint32_t id, uint32_t param,
                                            std::span<uint8_t> out) override;

 private:
  // `what` names the ioctl in the error.
  absl::Status Call(uint32_t request, void* argument, const char* what);
  // For calls that guests repeat until they succeed.
  absl::Status Poll(uint32_t request, void* argument);

  const Fd fd_;
  DrmIoctl& ioctl_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_LIBDRM_FILE_H_
