#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/wire.h"
#include "tools/preload/user_pointer.h"
#include "tools/preload/virtgpu/virtgpu_node.h"
#include "tools/preload/virtgpu/virtgpu_uapi.h"

// What programs ask of the device, and contexts (virtgpu_ioctl.c).

namespace nacre::preload {
namespace {

using guest_kernel::VirtioGpuDriver;

constexpr uint64_t kMaxCapsetId = 63;
constexpr uint64_t kMaxRings = 64;
constexpr size_t kMaxDebugName = 64;  // With the final NUL.

bool Has(const VirtioGpuDriver& driver, uint64_t feature) {
  return (driver.features() & feature) != 0;
}

uint64_t CapsetMask(const VirtioGpuDriver& driver) {
  uint64_t mask = 0;
  for (const VirtioGpuDriver::Capset& capset : driver.capsets()) {
    mask |= uint64_t{1} << capset.id;
  }
  return mask;
}

absl::Status GetParam(VirtgpuNode& node, drm_virtgpu_getparam& argument) {
  const VirtioGpuDriver& driver = node.gpu().driver();
  uint64_t value = 0;
  switch (argument.param) {
    case VIRTGPU_PARAM_3D_FEATURES:
      value = Has(driver, virtio_gpu::wire::kFeatureVirgl);
      break;
    case VIRTGPU_PARAM_CAPSET_QUERY_FIX:
      value = 1;
      break;
    case VIRTGPU_PARAM_RESOURCE_BLOB:
      value = Has(driver, virtio_gpu::wire::kFeatureResourceBlob);
      break;
    case VIRTGPU_PARAM_HOST_VISIBLE:
      value = driver.has_host_visible();
      break;
    case VIRTGPU_PARAM_CROSS_DEVICE:
      value = Has(driver, virtio_gpu::wire::kFeatureResourceUuid);
      break;
    case VIRTGPU_PARAM_CONTEXT_INIT:
    case VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME:
      value = Has(driver, virtio_gpu::wire::kFeatureContextInit);
      break;
    case VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs:
      value = CapsetMask(driver);
      break;
    default:
      return ErrnoStatus(EINVAL, absl::StrCat("GETPARAM ", argument.param));
  }
  // An int, whatever the argument's size is.
  const auto answer = static_cast<int32_t>(value);
  std::memcpy(UserPointer<void>(argument.value), &answer, sizeof(answer));
  return absl::OkStatus();
}

absl::Status GetCaps(VirtgpuNode& node, drm_virtgpu_get_caps& argument) {
  VirtioGpuDriver& driver = node.gpu().driver();
  if (driver.capsets().empty()) return ErrnoStatus(ENOSYS, "GET_CAPS");
  if (argument.size == 0) return ErrnoStatus(EINVAL, "GET_CAPS of no bytes");
  const absl::StatusOr<std::vector<uint8_t>> capset =
      driver.GetCapset(argument.cap_set_id, argument.cap_set_ver);
  if (!capset.ok()) {
    const int error =
        absl::IsDeadlineExceeded(capset.status()) ? EBUSY : EINVAL;
    return ErrnoStatus(error, capset.status().message());
  }
  std::memcpy(UserPointer<void>(argument.addr), capset->data(),
              std::min<size_t>(argument.size, capset->size()));
  return absl::OkStatus();
}

absl::Status InvalidParam(const drm_virtgpu_context_set_param& param) {
  return ErrnoStatus(EINVAL, absl::StrCat("CONTEXT_INIT parameter ",
                                          param.param, " = ", param.value));
}

absl::Status SetParam(const VirtioGpuDriver& driver,
                      const drm_virtgpu_context_set_param& param,
                      VirtgpuNode::ContextInit& init) {
  switch (param.param) {
    case VIRTGPU_CONTEXT_PARAM_CAPSET_ID:
      if (param.value > kMaxCapsetId || init.capset_id ||
          (CapsetMask(driver) >> param.value & 1) == 0) {
        return InvalidParam(param);
      }
      init.capset_id = static_cast<uint32_t>(param.value);
      return absl::OkStatus();
    case VIRTGPU_CONTEXT_PARAM_NUM_RINGS:
      if (param.value > kMaxRings || init.num_rings) {
        return InvalidParam(param);
      }
      init.num_rings = static_cast<uint32_t>(param.value);
      return absl::OkStatus();
    case VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK:
      if (init.poll_rings_mask != 0) return InvalidParam(param);
      init.poll_rings_mask = param.value;
      return absl::OkStatus();
    case VIRTGPU_CONTEXT_PARAM_DEBUG_NAME: {
      if (init.debug_name) return InvalidParam(param);
      const char* const name = UserPointer<const char>(param.value);
      init.debug_name = std::string(name, strnlen(name, kMaxDebugName - 1));
      return absl::OkStatus();
    }
    default:
      return InvalidParam(param);
  }
}

absl::Status CheckPollMask(const VirtgpuNode::ContextInit& init) {
  const uint32_t rings = init.num_rings.value_or(0);
  const uint64_t valid =
      rings == kMaxRings ? ~uint64_t{0} : (uint64_t{1} << rings) - 1;
  if ((init.poll_rings_mask & ~valid) == 0) return absl::OkStatus();
  return ErrnoStatus(EINVAL, "CONTEXT_INIT mask of rings that are none");
}

absl::Status ContextInitIoctl(VirtgpuNode& node,
                              drm_virtgpu_context_init& argument) {
  constexpr uint32_t kMaxParams = 4;
  const VirtioGpuDriver& driver = node.gpu().driver();
  if (!Has(driver, virtio_gpu::wire::kFeatureContextInit) ||
      argument.num_params > kMaxParams) {
    return ErrnoStatus(EINVAL, "CONTEXT_INIT");
  }
  const auto* const params =
      UserPointer<const drm_virtgpu_context_set_param>(argument.ctx_set_params);
  return node.InitContext([&](VirtgpuNode::ContextInit& init) -> absl::Status {
    for (uint32_t i = 0; i < argument.num_params; ++i) {
      RETURN_IF_ERROR(SetParam(driver, params[i], init));
    }
    return CheckPollMask(init);
  });
}

}  // namespace

std::span<const IoctlEntry> VirtgpuIoctls() {
  static constexpr std::array kEntries = {
      Handles<DRM_IOCTL_VIRTGPU_GETPARAM, GetParam>(),
      Handles<DRM_IOCTL_VIRTGPU_GET_CAPS, GetCaps>(),
      Handles<DRM_IOCTL_VIRTGPU_CONTEXT_INIT, ContextInitIoctl>(),
  };
  return kEntries;
}

}  // namespace nacre::preload
