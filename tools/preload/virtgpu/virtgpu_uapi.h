#ifndef NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_UAPI_H_
#define NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_UAPI_H_

#include <cstddef>
#include <cstdint>

// The virtio_gpu UAPI (Linux include/uapi/drm/virtgpu_drm.h, 6.12), with the
// kernel's names: what libdrm has installed is older.

namespace nacre::preload {

// EXECBUFFER.
inline constexpr uint32_t VIRTGPU_EXECBUF_FENCE_FD_IN = 0x1;
inline constexpr uint32_t VIRTGPU_EXECBUF_FENCE_FD_OUT = 0x2;
inline constexpr uint32_t VIRTGPU_EXECBUF_RING_IDX = 0x4;
inline constexpr uint32_t VIRTGPU_EXECBUF_FLAGS = 0x7;
inline constexpr uint32_t VIRTGPU_EXECBUF_SYNCOBJ_RESET = 0x1;

// GETPARAM.
inline constexpr uint64_t VIRTGPU_PARAM_3D_FEATURES = 1;
inline constexpr uint64_t VIRTGPU_PARAM_CAPSET_QUERY_FIX = 2;
inline constexpr uint64_t VIRTGPU_PARAM_RESOURCE_BLOB = 3;
inline constexpr uint64_t VIRTGPU_PARAM_HOST_VISIBLE = 4;
inline constexpr uint64_t VIRTGPU_PARAM_CROSS_DEVICE = 5;
inline constexpr uint64_t VIRTGPU_PARAM_CONTEXT_INIT = 6;
inline constexpr uint64_t VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs = 7;
inline constexpr uint64_t VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME = 8;

// WAIT.
inline constexpr uint32_t VIRTGPU_WAIT_NOWAIT = 1;

// RESOURCE_CREATE_BLOB.
inline constexpr uint32_t VIRTGPU_BLOB_MEM_GUEST = 1;
inline constexpr uint32_t VIRTGPU_BLOB_MEM_HOST3D = 2;
inline constexpr uint32_t VIRTGPU_BLOB_MEM_HOST3D_GUEST = 3;
inline constexpr uint32_t VIRTGPU_BLOB_FLAG_USE_MAPPABLE = 0x1;
inline constexpr uint32_t VIRTGPU_BLOB_FLAG_USE_SHAREABLE = 0x2;
inline constexpr uint32_t VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE = 0x4;
inline constexpr uint32_t VIRTGPU_BLOB_FLAG_USE_MASK = 0x7;

// CONTEXT_INIT.
inline constexpr uint64_t VIRTGPU_CONTEXT_PARAM_CAPSET_ID = 1;
inline constexpr uint64_t VIRTGPU_CONTEXT_PARAM_NUM_RINGS = 2;
inline constexpr uint64_t VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK = 3;
inline constexpr uint64_t VIRTGPU_CONTEXT_PARAM_DEBUG_NAME = 4;

// What read(2) gives.
inline constexpr uint32_t VIRTGPU_EVENT_FENCE_SIGNALED = 0x90000000;

struct drm_virtgpu_map {
  uint64_t offset;
  uint32_t handle;
  uint32_t pad;
};

struct drm_virtgpu_execbuffer_syncobj {
  uint32_t handle;
  uint32_t flags;
  uint64_t point;
};
static_assert(sizeof(drm_virtgpu_execbuffer_syncobj) == 16);

struct drm_virtgpu_execbuffer {
  uint32_t flags;
  uint32_t size;
  uint64_t command;
  uint64_t bo_handles;
  uint32_t num_bo_handles;
  int32_t fence_fd;
  uint32_t ring_idx;
  uint32_t syncobj_stride;
  uint32_t num_in_syncobjs;
  uint32_t num_out_syncobjs;
  uint64_t in_syncobjs;
  uint64_t out_syncobjs;
};

struct drm_virtgpu_getparam {
  uint64_t param;
  uint64_t value;
};

struct drm_virtgpu_resource_create {
  uint32_t target;
  uint32_t format;
  uint32_t bind;
  uint32_t width;
  uint32_t height;
  uint32_t depth;
  uint32_t array_size;
  uint32_t last_level;
  uint32_t nr_samples;
  uint32_t flags;
  uint32_t bo_handle;
  uint32_t res_handle;
  uint32_t size;
  uint32_t stride;
};

struct drm_virtgpu_resource_info {
  uint32_t bo_handle;
  uint32_t res_handle;
  uint32_t size;
  uint32_t blob_mem;
};

struct drm_virtgpu_3d_box {
  uint32_t x;
  uint32_t y;
  uint32_t z;
  uint32_t w;
  uint32_t h;
  uint32_t d;
};

// TRANSFER_TO_HOST and TRANSFER_FROM_HOST.
struct drm_virtgpu_3d_transfer {
  uint32_t bo_handle;
  drm_virtgpu_3d_box box;
  uint32_t level;
  uint32_t offset;
  uint32_t stride;
  uint32_t layer_stride;
};

struct drm_virtgpu_3d_wait {
  uint32_t handle;
  uint32_t flags;
};

struct drm_virtgpu_get_caps {
  uint32_t cap_set_id;
  uint32_t cap_set_ver;
  uint64_t addr;
  uint32_t size;
  uint32_t pad;
};

struct drm_virtgpu_resource_create_blob {
  uint32_t blob_mem;
  uint32_t blob_flags;
  uint32_t bo_handle;
  uint32_t res_handle;
  uint64_t size;
  uint32_t pad;
  uint32_t cmd_size;
  uint64_t cmd;
  uint64_t blob_id;
};

struct drm_virtgpu_context_set_param {
  uint64_t param;
  uint64_t value;
};

struct drm_virtgpu_context_init {
  uint32_t num_params;
  uint32_t pad;
  uint64_t ctx_set_params;
};

struct drm_virtgpu_event {
  uint32_t type;
  uint32_t length;
};

inline constexpr uint32_t DRM_IOCTL_VIRTGPU_MAP = 0xc0106441;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_EXECBUFFER = 0xc0406442;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_GETPARAM = 0xc0106443;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_RESOURCE_CREATE = 0xc0386444;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_RESOURCE_INFO = 0xc0106445;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST = 0xc02c6446;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST = 0xc02c6447;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_WAIT = 0xc0086448;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_GET_CAPS = 0xc0186449;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB = 0xc030644a;
inline constexpr uint32_t DRM_IOCTL_VIRTGPU_CONTEXT_INIT = 0xc010644b;

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_VIRTGPU_VIRTGPU_UAPI_H_
