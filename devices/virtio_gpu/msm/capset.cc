#include "devices/virtio_gpu/msm/capset.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/page_size.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {
namespace {

constexpr uint32_t kMajor = 1;
// MSM_SUBMIT_FENCE_SN_IN: the guest numbers its fences itself.
constexpr uint32_t kMinMinor = 9;

// Guests take a parameter that reads as zero for one this host lacks.
uint64_t ParamOrZero(DrmFile& drm, uint32_t param) {
  return drm.GetParam(param).value_or(0);
}

absl::StatusOr<uint64_t> RequiredParam(DrmFile& drm, uint32_t param,
                                       const char* name) {
  absl::StatusOr<uint64_t> value = drm.GetParam(param);
  if (value.ok() && *value != 0) return value;
  return absl::FailedPreconditionError(absl::StrCat(
      "the host's msm driver gives no ", name, " (",
      value.ok() ? absl::string_view("0") : value.status().message(),
      "): a GPU with per-process page tables and a driver that lets programs "
      "choose addresses (Linux 6.1 or later) are needed"));
}

// As Mesa finds out on a render node of its own: drivers from 1.8 on know the
// flag and take it where the GPU looks into CPU caches. A guest's mapping of
// such an object is cached too (gem_blob.cc), so what holds here holds there.
bool HasCachedCoherent(DrmFile& drm) {
  // The driver rounds it up.
  const absl::StatusOr<uint32_t> handle =
      drm.GemNew(kSmallestPageSize, MSM_BO_CACHED_COHERENT);
  if (!handle.ok()) return false;
  drm.GemClose(*handle).IgnoreError();
  return true;
}

bool HasPreemption(DrmFile& drm, uint32_t priorities) {
  const absl::StatusOr<uint32_t> queue =
      drm.SubmitqueueNew(MSM_SUBMITQUEUE_ALLOW_PREEMPT, priorities / 2);
  if (!queue.ok()) return false;
  drm.SubmitqueueClose(*queue).IgnoreError();
  return true;
}

uint32_t CapBool(bool value) {
  return value ? VIRTGPU_CAP_BOOL_TRUE : VIRTGPU_CAP_BOOL_FALSE;
}

}  // namespace

absl::StatusOr<virgl_renderer_capset_drm> ReadCapset(
    const DriverVersion& version, DrmFile& drm) {
  if (version.major != kMajor || version.minor < kMinMinor) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the host's msm driver is version ", version.major, ".", version.minor,
        ": ", kMajor, ".", kMinMinor, " (Linux 6.1) or a later 1.x is needed"));
  }
  virgl_renderer_capset_drm capset{};
  capset.wire_format_version = kWireFormatVersion;
  capset.version_major = version.major;
  capset.version_minor = version.minor;
  capset.version_patchlevel = version.patchlevel;
  capset.context_type = VIRTGPU_DRM_CONTEXT_MSM;
  ASSIGN_OR_RETURN(capset.va_start,
                   RequiredParam(drm, MSM_PARAM_VA_START, "VA_START"));
  ASSIGN_OR_RETURN(capset.va_size,
                   RequiredParam(drm, MSM_PARAM_VA_SIZE, "VA_SIZE"));
  capset.gpu_id = ParamOrZero(drm, MSM_PARAM_GPU_ID);
  capset.chip_id = ParamOrZero(drm, MSM_PARAM_CHIP_ID);
  if (capset.gpu_id == 0 && capset.chip_id == 0) {
    return absl::FailedPreconditionError(
        "the host's msm driver names no GPU (GPU_ID and CHIP_ID are 0): an "
        "Adreno that it knows is needed");
  }
  capset.priorities = ParamOrZero(drm, MSM_PARAM_PRIORITIES);
  if (capset.priorities == 0) capset.priorities = 1;
  capset.gmem_size = ParamOrZero(drm, MSM_PARAM_GMEM_SIZE);
  capset.gmem_base = ParamOrZero(drm, MSM_PARAM_GMEM_BASE);
  capset.max_freq = ParamOrZero(drm, MSM_PARAM_MAX_FREQ);
  capset.highest_bank_bit = ParamOrZero(drm, MSM_PARAM_HIGHEST_BANK_BIT);
  capset.ubwc_swizzle = ParamOrZero(drm, MSM_PARAM_UBWC_SWIZZLE);
  capset.macrotile_mode = ParamOrZero(drm, MSM_PARAM_MACROTILE_MODE);
  capset.uche_trap_base = ParamOrZero(drm, MSM_PARAM_UCHE_TRAP_BASE);
  capset.has_raytracing = CapBool(ParamOrZero(drm, MSM_PARAM_RAYTRACING) != 0);
  capset.has_cached_coherent = HasCachedCoherent(drm) ? 1 : 0;
  capset.has_preemption = CapBool(HasPreemption(drm, capset.priorities));
  return capset;
}

}  // namespace nacre::msm
