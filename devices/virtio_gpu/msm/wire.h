#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_WIRE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_WIRE_H_

#include <cstddef>
#include <cstdint>

// What travels between a guest's Mesa and the msm context: the capset, the
// control memory that both map, and the "ccmds" that a SUBMIT_3D carries. Names
// are Mesa's (src/virtio/virtio-gpu/drm_hw.h,
// src/freedreno/common/msm_proto.h), so that both sides can be read next to
// each other. Integers are little-endian.

namespace nacre::msm {

// The capset of DRM native contexts (virtio_gpu.h: VIRTIO_GPU_CAPSET_DRM).
inline constexpr uint32_t VIRTIO_GPU_CAPSET_DRM = 6;
inline constexpr uint32_t kWireFormatVersion = 2;
inline constexpr uint32_t VIRTGPU_DRM_CONTEXT_MSM = 1;

// Booleans added to the capset later than its first version: zero is left to
// mean that the host is too old to say.
inline constexpr uint32_t VIRTGPU_CAP_BOOL_FALSE = 0xffffffff;
inline constexpr uint32_t VIRTGPU_CAP_BOOL_TRUE = 1;

struct virgl_renderer_capset_drm {
  uint32_t wire_format_version;
  // Of the host's DRM driver.
  uint32_t version_major;
  uint32_t version_minor;
  uint32_t version_patchlevel;
  uint32_t context_type;
  uint32_t pad;
  // From here on the msm member of a union.
  uint32_t has_cached_coherent;  // 0 or 1: older than the rule above.
  uint32_t priorities;
  uint64_t va_start;
  uint64_t va_size;
  uint32_t gpu_id;
  uint32_t gmem_size;
  uint64_t gmem_base;
  uint64_t chip_id;
  uint32_t max_freq;
  uint32_t highest_bank_bit;
  uint64_t ubwc_swizzle;
  uint64_t macrotile_mode;
  uint32_t has_raytracing;
  uint32_t has_preemption;
  uint64_t uche_trap_base;
  // The union's other members are longer: this is what guests ask for.
  uint8_t reserved[48];
};
static_assert(offsetof(virgl_renderer_capset_drm, context_type) == 16);
static_assert(offsetof(virgl_renderer_capset_drm, has_cached_coherent) == 24);
static_assert(offsetof(virgl_renderer_capset_drm, va_start) == 32);
static_assert(offsetof(virgl_renderer_capset_drm, gmem_base) == 56);
static_assert(offsetof(virgl_renderer_capset_drm, max_freq) == 72);
static_assert(offsetof(virgl_renderer_capset_drm, uche_trap_base) == 104);
static_assert(sizeof(virgl_renderer_capset_drm) == 160);

// Head of the control memory (blob_id 0). A field exists for the guest where
// rsp_mem_offset lies beyond it; responses are written from there on.
struct msm_shmem {
  uint32_t seqno;
  uint32_t rsp_mem_offset;
  uint32_t async_error;
  uint32_t global_faults;
};
static_assert(offsetof(msm_shmem, global_faults) == 12);
static_assert(sizeof(msm_shmem) == 16);

enum msm_ccmd : uint32_t {
  MSM_CCMD_NOP = 1,
  MSM_CCMD_IOCTL_SIMPLE = 2,
  MSM_CCMD_GEM_NEW = 3,
  MSM_CCMD_GEM_SET_IOVA = 4,
  MSM_CCMD_GEM_CPU_PREP = 5,
  MSM_CCMD_GEM_SET_NAME = 6,
  MSM_CCMD_GEM_SUBMIT = 7,
  MSM_CCMD_GEM_UPLOAD = 8,
  MSM_CCMD_SUBMITQUEUE_QUERY = 9,
  MSM_CCMD_WAIT_FENCE = 10,
  MSM_CCMD_SET_DEBUGINFO = 11,
  MSM_CCMD_LAST = 12,
};

struct vdrm_ccmd_req {
  uint32_t cmd;
  uint32_t len;  // Of the whole request, a multiple of 4.
  uint32_t seqno;
  uint32_t rsp_off;  // From msm_shmem::rsp_mem_offset.
};
static_assert(sizeof(vdrm_ccmd_req) == 16);

struct vdrm_ccmd_rsp {
  uint32_t len;  // Of the whole response; preset by the guest to the room.
};

struct msm_ccmd_ioctl_simple_req {
  vdrm_ccmd_req hdr;
  uint32_t cmd;
  // Then the ioctl's structure.
};
static_assert(sizeof(msm_ccmd_ioctl_simple_req) == 20);

struct msm_ccmd_ioctl_simple_rsp {
  vdrm_ccmd_rsp hdr;
  int32_t ret;
  // Then the ioctl's structure, where the code says that it is read back.
};
static_assert(sizeof(msm_ccmd_ioctl_simple_rsp) == 8);

struct msm_ccmd_gem_new_req {
  vdrm_ccmd_req hdr;
  uint64_t iova;
  uint64_t size;
  uint32_t flags;
  uint32_t blob_id;
};
static_assert(offsetof(msm_ccmd_gem_new_req, iova) == 16);
static_assert(sizeof(msm_ccmd_gem_new_req) == 40);

struct msm_ccmd_gem_set_iova_req {
  vdrm_ccmd_req hdr;
  uint64_t iova;
  uint32_t res_id;
  uint32_t pad;
};
static_assert(offsetof(msm_ccmd_gem_set_iova_req, res_id) == 24);
static_assert(sizeof(msm_ccmd_gem_set_iova_req) == 32);

struct msm_ccmd_gem_cpu_prep_req {
  vdrm_ccmd_req hdr;
  uint32_t res_id;
  uint32_t op;
};
static_assert(sizeof(msm_ccmd_gem_cpu_prep_req) == 24);

struct msm_ccmd_gem_cpu_prep_rsp {
  vdrm_ccmd_rsp hdr;
  int32_t ret;
};
static_assert(sizeof(msm_ccmd_gem_cpu_prep_rsp) == 8);

struct msm_ccmd_gem_set_name_req {
  vdrm_ccmd_req hdr;
  uint32_t res_id;
  uint32_t len;
  // Then `len` bytes.
};
static_assert(sizeof(msm_ccmd_gem_set_name_req) == 24);

struct msm_ccmd_gem_submit_req {
  vdrm_ccmd_req hdr;
  uint32_t flags;
  uint32_t queue_id;
  uint32_t nr_bos;
  uint32_t nr_cmds;
  uint32_t fence;
  // Then drm_msm_gem_submit_bo[nr_bos], whose handles are resource ids, and
  // drm_msm_gem_submit_cmd[nr_cmds]: at offset 36, not aligned to 8.
};
static_assert(sizeof(msm_ccmd_gem_submit_req) == 36);

struct msm_ccmd_gem_upload_req {
  vdrm_ccmd_req hdr;
  uint32_t res_id;
  uint32_t pad;
  uint32_t off;
  uint32_t len;
  // Then `len` bytes.
};
static_assert(offsetof(msm_ccmd_gem_upload_req, off) == 24);
static_assert(sizeof(msm_ccmd_gem_upload_req) == 32);

struct msm_ccmd_submitqueue_query_req {
  vdrm_ccmd_req hdr;
  uint32_t queue_id;
  uint32_t param;
  uint32_t len;
};
static_assert(sizeof(msm_ccmd_submitqueue_query_req) == 28);

struct msm_ccmd_submitqueue_query_rsp {
  vdrm_ccmd_rsp hdr;
  int32_t ret;
  uint32_t out_len;
  // Then the request's `len` bytes.
};
static_assert(sizeof(msm_ccmd_submitqueue_query_rsp) == 12);

struct msm_ccmd_wait_fence_req {
  vdrm_ccmd_req hdr;
  uint32_t queue_id;
  uint32_t fence;
};
static_assert(sizeof(msm_ccmd_wait_fence_req) == 24);

struct msm_ccmd_wait_fence_rsp {
  vdrm_ccmd_rsp hdr;
  int32_t ret;
};
static_assert(sizeof(msm_ccmd_wait_fence_rsp) == 8);

struct msm_ccmd_set_debuginfo_req {
  vdrm_ccmd_req hdr;
  uint32_t comm_len;
  uint32_t cmdline_len;
  // Then both strings, each with its terminating zero.
};
static_assert(sizeof(msm_ccmd_set_debuginfo_req) == 24);

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_WIRE_H_
