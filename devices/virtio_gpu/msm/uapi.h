#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_UAPI_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_UAPI_H_

#include <cstdint>

// The part of the msm driver's UAPI (Linux include/uapi/drm/msm_drm.h) that
// Nacre speaks, with the kernel's names. Debian's libdrm 2.4.114 has an older
// copy without SET_IOVA, FENCE_SN_IN, CACHED_COHERENT and VA_START.

namespace nacre::msm {

// Pipe of every GET_PARAM and GEM_SUBMIT.
inline constexpr uint32_t MSM_PIPE_3D0 = 0x10;

// GET_PARAM and SET_PARAM.
inline constexpr uint32_t MSM_PARAM_GPU_ID = 0x01;
inline constexpr uint32_t MSM_PARAM_GMEM_SIZE = 0x02;
inline constexpr uint32_t MSM_PARAM_CHIP_ID = 0x03;
inline constexpr uint32_t MSM_PARAM_MAX_FREQ = 0x04;
inline constexpr uint32_t MSM_PARAM_TIMESTAMP = 0x05;
inline constexpr uint32_t MSM_PARAM_GMEM_BASE = 0x06;
inline constexpr uint32_t MSM_PARAM_PRIORITIES = 0x07;
inline constexpr uint32_t MSM_PARAM_PP_PGTABLE = 0x08;
inline constexpr uint32_t MSM_PARAM_FAULTS = 0x09;
inline constexpr uint32_t MSM_PARAM_SUSPENDS = 0x0a;
inline constexpr uint32_t MSM_PARAM_SYSPROF = 0x0b;
inline constexpr uint32_t MSM_PARAM_COMM = 0x0c;
inline constexpr uint32_t MSM_PARAM_CMDLINE = 0x0d;
inline constexpr uint32_t MSM_PARAM_VA_START = 0x0e;
inline constexpr uint32_t MSM_PARAM_VA_SIZE = 0x0f;
inline constexpr uint32_t MSM_PARAM_HIGHEST_BANK_BIT = 0x10;
inline constexpr uint32_t MSM_PARAM_RAYTRACING = 0x11;
inline constexpr uint32_t MSM_PARAM_UBWC_SWIZZLE = 0x12;
inline constexpr uint32_t MSM_PARAM_MACROTILE_MODE = 0x13;
inline constexpr uint32_t MSM_PARAM_UCHE_TRAP_BASE = 0x14;

// GEM_NEW.
inline constexpr uint32_t MSM_BO_SCANOUT = 0x1;
inline constexpr uint32_t MSM_BO_GPU_READONLY = 0x2;
inline constexpr uint32_t MSM_BO_NO_SHARE = 0x4;
inline constexpr uint32_t MSM_BO_CACHED = 0x10000;
inline constexpr uint32_t MSM_BO_WC = 0x20000;
inline constexpr uint32_t MSM_BO_UNCACHED = 0x40000;
inline constexpr uint32_t MSM_BO_CACHED_COHERENT = 0x80000;
inline constexpr uint32_t MSM_BO_CACHE_MASK = 0xf0000;

// GEM_INFO.
inline constexpr uint32_t MSM_INFO_GET_OFFSET = 0;
inline constexpr uint32_t MSM_INFO_GET_IOVA = 1;
inline constexpr uint32_t MSM_INFO_SET_NAME = 2;
inline constexpr uint32_t MSM_INFO_GET_NAME = 3;
inline constexpr uint32_t MSM_INFO_SET_IOVA = 4;
inline constexpr uint32_t MSM_INFO_GET_FLAGS = 5;

// GEM_CPU_PREP.
inline constexpr uint32_t MSM_PREP_READ = 0x1;
inline constexpr uint32_t MSM_PREP_WRITE = 0x2;
inline constexpr uint32_t MSM_PREP_NOSYNC = 0x4;
inline constexpr uint32_t MSM_PREP_BOOST = 0x8;

// GEM_SUBMIT.
inline constexpr uint32_t MSM_SUBMIT_CMD_BUF = 1;
inline constexpr uint32_t MSM_SUBMIT_CMD_IB_TARGET_BUF = 2;
inline constexpr uint32_t MSM_SUBMIT_CMD_CTX_RESTORE_BUF = 3;
inline constexpr uint32_t MSM_SUBMIT_BO_READ = 0x1;
inline constexpr uint32_t MSM_SUBMIT_BO_WRITE = 0x2;
inline constexpr uint32_t MSM_SUBMIT_BO_DUMP = 0x4;
inline constexpr uint32_t MSM_SUBMIT_BO_NO_IMPLICIT = 0x8;
inline constexpr uint32_t MSM_SUBMIT_NO_IMPLICIT = 0x80000000;
inline constexpr uint32_t MSM_SUBMIT_FENCE_FD_IN = 0x40000000;
inline constexpr uint32_t MSM_SUBMIT_FENCE_FD_OUT = 0x20000000;
inline constexpr uint32_t MSM_SUBMIT_SUDO = 0x10000000;
inline constexpr uint32_t MSM_SUBMIT_SYNCOBJ_IN = 0x08000000;
inline constexpr uint32_t MSM_SUBMIT_SYNCOBJ_OUT = 0x04000000;
inline constexpr uint32_t MSM_SUBMIT_FENCE_SN_IN = 0x02000000;

// WAIT_FENCE.
inline constexpr uint32_t MSM_WAIT_FENCE_BOOST = 0x1;

// SUBMITQUEUE_NEW and SUBMITQUEUE_QUERY.
inline constexpr uint32_t MSM_SUBMITQUEUE_ALLOW_PREEMPT = 0x1;
inline constexpr uint32_t MSM_SUBMITQUEUE_PARAM_FAULTS = 0;

struct drm_msm_param {
  uint32_t pipe;
  uint32_t param;
  uint64_t value;
  uint32_t len;
  uint32_t pad;
};
static_assert(sizeof(drm_msm_param) == 24);

struct drm_msm_gem_new {
  uint64_t size;
  uint32_t flags;
  uint32_t handle;
};
static_assert(sizeof(drm_msm_gem_new) == 16);

struct drm_msm_gem_info {
  uint32_t handle;
  uint32_t info;
  uint64_t value;
  uint32_t len;
  uint32_t pad;
};
static_assert(sizeof(drm_msm_gem_info) == 24);

// Absolute CLOCK_MONOTONIC.
struct drm_msm_timespec {
  int64_t tv_sec;
  int64_t tv_nsec;
};

struct drm_msm_gem_cpu_prep {
  uint32_t handle;
  uint32_t op;
  drm_msm_timespec timeout;
};
static_assert(sizeof(drm_msm_gem_cpu_prep) == 24);

struct drm_msm_gem_submit_bo {
  uint32_t flags;
  uint32_t handle;
  uint64_t presumed;
};
static_assert(sizeof(drm_msm_gem_submit_bo) == 16);

struct drm_msm_gem_submit_cmd {
  uint32_t type;
  uint32_t submit_idx;     // Index into the submit's bos.
  uint32_t submit_offset;  // Bytes into that object.
  uint32_t size;           // Bytes.
  uint32_t pad;
  uint32_t nr_relocs;
  uint64_t relocs;
};
static_assert(sizeof(drm_msm_gem_submit_cmd) == 32);

struct drm_msm_gem_submit {
  uint32_t flags;
  uint32_t fence;
  uint32_t nr_bos;
  uint32_t nr_cmds;
  uint64_t bos;
  uint64_t cmds;
  int32_t fence_fd;
  uint32_t queueid;
  uint64_t in_syncobjs;
  uint64_t out_syncobjs;
  uint32_t nr_in_syncobjs;
  uint32_t nr_out_syncobjs;
  uint32_t syncobj_stride;
  uint32_t pad;
};
static_assert(sizeof(drm_msm_gem_submit) == 72);

struct drm_msm_wait_fence {
  uint32_t fence;
  uint32_t flags;
  drm_msm_timespec timeout;
  uint32_t queueid;
};
static_assert(sizeof(drm_msm_wait_fence) == 32);

struct drm_msm_submitqueue {
  uint32_t flags;
  uint32_t prio;
  uint32_t id;
};
static_assert(sizeof(drm_msm_submitqueue) == 12);

struct drm_msm_submitqueue_query {
  uint64_t data;
  uint32_t id;
  uint32_t param;
  uint32_t len;
  uint32_t pad;
};
static_assert(sizeof(drm_msm_submitqueue_query) == 24);

// Whole request codes (direction, size, type 'd', number).
inline constexpr uint32_t DRM_IOCTL_MSM_GET_PARAM = 0xc0186440;
inline constexpr uint32_t DRM_IOCTL_MSM_SET_PARAM = 0x40186441;
inline constexpr uint32_t DRM_IOCTL_MSM_GEM_NEW = 0xc0106442;
inline constexpr uint32_t DRM_IOCTL_MSM_GEM_INFO = 0xc0186443;
inline constexpr uint32_t DRM_IOCTL_MSM_GEM_CPU_PREP = 0x40186444;
inline constexpr uint32_t DRM_IOCTL_MSM_GEM_SUBMIT = 0xc0486446;
inline constexpr uint32_t DRM_IOCTL_MSM_WAIT_FENCE = 0x40206447;
inline constexpr uint32_t DRM_IOCTL_MSM_SUBMITQUEUE_NEW = 0xc00c644a;
inline constexpr uint32_t DRM_IOCTL_MSM_SUBMITQUEUE_CLOSE = 0x4004644b;
inline constexpr uint32_t DRM_IOCTL_MSM_SUBMITQUEUE_QUERY = 0x4018644c;

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_UAPI_H_
