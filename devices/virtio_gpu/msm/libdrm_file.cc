#include "devices/virtio_gpu/msm/libdrm_file.h"

#include <drm.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

uint64_t Address(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

}  // namespace

absl::Status LibdrmFile::Call(uint32_t request, void* argument,
                              const char* what) {
  if (ioctl_.Call(fd_.get(), request, argument) != 0) return ErrnoStatus(what);
  return absl::OkStatus();
}

absl::Status LibdrmFile::Poll(uint32_t request, void* argument) {
  if (ioctl_.Call(fd_.get(), request, argument) == 0) return absl::OkStatus();
  return ErrnoAnswer(errno);
}

absl::StatusOr<uint64_t> LibdrmFile::GetParam(uint32_t param) {
  drm_msm_param argument = {
      .pipe = MSM_PIPE_3D0, .param = param, .value = 0, .len = 0, .pad = 0};
  RETURN_IF_ERROR(Call(DRM_IOCTL_MSM_GET_PARAM, &argument, "MSM_GET_PARAM"));
  return argument.value;
}

absl::Status LibdrmFile::SetParamString(uint32_t param,
                                        const std::string& value) {
  drm_msm_param argument = {.pipe = MSM_PIPE_3D0,
                            .param = param,
                            .value = Address(value.data()),
                            .len = static_cast<uint32_t>(value.size()),
                            .pad = 0};
  return Call(DRM_IOCTL_MSM_SET_PARAM, &argument, "MSM_SET_PARAM");
}

absl::StatusOr<uint32_t> LibdrmFile::GemNew(uint64_t size, uint32_t flags) {
  drm_msm_gem_new argument = {.size = size, .flags = flags, .handle = 0};
  RETURN_IF_ERROR(Call(DRM_IOCTL_MSM_GEM_NEW, &argument, "MSM_GEM_NEW"));
  return argument.handle;
}

absl::Status LibdrmFile::GemClose(uint32_t handle) {
  drm_gem_close argument = {.handle = handle, .pad = 0};
  return Call(DRM_IOCTL_GEM_CLOSE, &argument, "GEM_CLOSE");
}

absl::Status LibdrmFile::GemSetIova(uint32_t handle, uint64_t iova) {
  drm_msm_gem_info argument = {.handle = handle,
                               .info = MSM_INFO_SET_IOVA,
                               .value = iova,
                               .len = 0,
                               .pad = 0};
  return Call(DRM_IOCTL_MSM_GEM_INFO, &argument, "MSM_GEM_INFO(SET_IOVA)");
}

absl::Status LibdrmFile::GemSetName(uint32_t handle, const std::string& name) {
  drm_msm_gem_info argument = {.handle = handle,
                               .info = MSM_INFO_SET_NAME,
                               .value = Address(name.data()),
                               .len = static_cast<uint32_t>(name.size()),
                               .pad = 0};
  return Call(DRM_IOCTL_MSM_GEM_INFO, &argument, "MSM_GEM_INFO(SET_NAME)");
}

absl::Status LibdrmFile::GemCpuPrep(uint32_t handle, uint32_t op) {
  // A deadline in the past; NOSYNC does not look at it.
  drm_msm_gem_cpu_prep argument = {.handle = handle,
                                   .op = op | MSM_PREP_NOSYNC,
                                   .timeout = {.tv_sec = 0, .tv_nsec = 0}};
  return Poll(DRM_IOCTL_MSM_GEM_CPU_PREP, &argument);
}

absl::StatusOr<GemMemory> LibdrmFile::GemGetMemory(uint32_t handle) {
  drm_msm_gem_info argument = {.handle = handle,
                               .info = MSM_INFO_GET_OFFSET,
                               .value = 0,
                               .len = 0,
                               .pad = 0};
  RETURN_IF_ERROR(
      Call(DRM_IOCTL_MSM_GEM_INFO, &argument, "MSM_GEM_INFO(GET_OFFSET)"));
  return GemMemory{.fd = fd_.get(), .offset = argument.value};
}

absl::StatusOr<uint64_t> LibdrmFile::GemGetSize(uint32_t handle) {
  // GEM_INFO does not tell; a dma-buf's end does.
  ASSIGN_OR_RETURN(const Fd dmabuf, GemExport(handle));
  const off_t size = lseek(dmabuf.get(), 0, SEEK_END);
  if (size < 0) return ErrnoStatus("lseek(dma-buf)");
  return static_cast<uint64_t>(size);
}

absl::StatusOr<Fd> LibdrmFile::GemExport(uint32_t handle) {
  drm_prime_handle argument = {
      .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1};
  RETURN_IF_ERROR(
      Call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &argument, "PRIME_HANDLE_TO_FD"));
  return Fd(argument.fd);
}

absl::StatusOr<uint32_t> LibdrmFile::GemImport(int dmabuf) {
  drm_prime_handle argument = {.handle = 0, .flags = 0, .fd = dmabuf};
  RETURN_IF_ERROR(
      Call(DRM_IOCTL_PRIME_FD_TO_HANDLE, &argument, "PRIME_FD_TO_HANDLE"));
  return argument.handle;
}

absl::StatusOr<Fd> LibdrmFile::GemSubmit(const SubmitRequest& request) {
  drm_msm_gem_submit argument{};
  argument.flags = request.flags | MSM_SUBMIT_FENCE_SN_IN;
  if (request.fence_out) argument.flags |= MSM_SUBMIT_FENCE_FD_OUT;
  argument.fence = request.fence;
  argument.nr_bos = static_cast<uint32_t>(request.bos.size());
  argument.nr_cmds = static_cast<uint32_t>(request.cmds.size());
  argument.bos = Address(request.bos.data());
  argument.cmds = Address(request.cmds.data());
  argument.fence_fd = -1;
  argument.queueid = request.queue_id;
  RETURN_IF_ERROR(Call(DRM_IOCTL_MSM_GEM_SUBMIT, &argument, "MSM_GEM_SUBMIT"));
  // What the kernel was not asked for it leaves as it was.
  return request.fence_out ? Fd(argument.fence_fd) : Fd();
}

absl::Status LibdrmFile::WaitFence(uint32_t queue_id, uint32_t fence,
                                   uint32_t flags) {
  // The deadline is absolute: 0 has passed.
  drm_msm_wait_fence argument{};
  argument.fence = fence;
  argument.flags = flags;
  argument.queueid = queue_id;
  return Poll(DRM_IOCTL_MSM_WAIT_FENCE, &argument);
}

absl::StatusOr<uint32_t> LibdrmFile::SubmitqueueNew(uint32_t flags,
                                                    uint32_t prio) {
  drm_msm_submitqueue argument = {.flags = flags, .prio = prio, .id = 0};
  RETURN_IF_ERROR(
      Call(DRM_IOCTL_MSM_SUBMITQUEUE_NEW, &argument, "MSM_SUBMITQUEUE_NEW"));
  return argument.id;
}

absl::Status LibdrmFile::SubmitqueueClose(uint32_t id) {
  return Call(DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE, &id, "MSM_SUBMITQUEUE_CLOSE");
}

absl::StatusOr<uint32_t> LibdrmFile::SubmitqueueQuery(uint32_t id,
                                                      uint32_t param,
                                                      std::span<uint8_t> out) {
  // The kernel does not say how much it fills: FAULTS, its one parameter, has
  // 4 bytes.
  constexpr size_t kFaultsSize = sizeof(uint32_t);
  drm_msm_submitqueue_query argument = {
      .data = Address(out.data()),
      .id = id,
      .param = param,
      .len = static_cast<uint32_t>(out.size()),
      .pad = 0};
  RETURN_IF_ERROR(Call(DRM_IOCTL_MSM_SUBMITQUEUE_QUERY, &argument,
                       "MSM_SUBMITQUEUE_QUERY"));
  return static_cast<uint32_t>(out.size() < kFaultsSize ? out.size()
                                                        : kFaultsSize);
}

}  // namespace nacre::msm
