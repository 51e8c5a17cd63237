#ifndef NACRE_TOOLS_PRELOAD_MSM_NATIVE_UAPI_H_
#define NACRE_TOOLS_PRELOAD_MSM_NATIVE_UAPI_H_

#include <cstdint>

#include "devices/virtio_gpu/msm/uapi.h"

// The rest of the msm UAPI (Linux include/uapi/drm/msm_drm.h, 1.12), which only
// native clients speak, with the kernel's names.

namespace nacre::preload {

inline constexpr uint32_t MSM_PARAM_SYSPROF_MAX = 2;

// GEM_INFO.
inline constexpr uint32_t MSM_INFO_SET_METADATA = 6;
inline constexpr uint32_t MSM_INFO_GET_METADATA = 7;

// GEM_MADVISE.
inline constexpr uint32_t MSM_MADV_DONTNEED = 1;

// GEM_SUBMIT's syncobjs.
inline constexpr uint32_t MSM_SUBMIT_SYNCOBJ_RESET = 0x1;

struct drm_msm_gem_cpu_fini {
  uint32_t handle;
};

struct drm_msm_gem_madvise {
  uint32_t handle;
  uint32_t madv;
  uint32_t retained;
};

struct drm_msm_gem_submit_syncobj {
  uint32_t handle;
  uint32_t flags;
  uint64_t point;
};
static_assert(sizeof(drm_msm_gem_submit_syncobj) == 16);

struct drm_msm_submitqueue_id {
  uint32_t id;
};

inline constexpr uint32_t DRM_IOCTL_MSM_GEM_CPU_FINI = 0x40046445;
inline constexpr uint32_t DRM_IOCTL_MSM_GEM_MADVISE = 0xc00c6448;

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_MSM_NATIVE_UAPI_H_
