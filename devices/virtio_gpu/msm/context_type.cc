#include "devices/virtio_gpu/msm/context_type.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/capset.h"
#include "devices/virtio_gpu/msm/context.h"
#include "devices/virtio_gpu/msm/gem.h"
#include "devices/virtio_gpu/msm/uapi.h"

namespace nacre::msm {

absl::StatusOr<std::unique_ptr<MsmContextType>> MsmContextType::Create(
    DrmDevice& device, const MsmConfig& config) {
  ASSIGN_OR_RETURN(const std::unique_ptr<DrmFile> drm, device.Open());
  ASSIGN_OR_RETURN(const virgl_renderer_capset_drm capset,
                   ReadCapset(device.version(), *drm));
  if (config.guests_always_cached && capset.has_cached_coherent == 0 &&
      device.CachingOf(MSM_BO_WC) != CpuCaching::kCached) {
    return absl::FailedPreconditionError(
        "the GPU does not look into CPU caches (its driver refuses "
        "MSM_BO_CACHED_COHERENT), but this host's CPUs (FEAT_S2FWB) let guests "
        "write through caches only: another host or the simulated GPU is "
        "needed");
  }
  return std::unique_ptr<MsmContextType>(
      new MsmContextType(device, config, capset));
}

std::span<const uint8_t> MsmContextType::capset() const {
  return AsBytes(capset_);
}

absl::StatusOr<std::unique_ptr<virtio_gpu::Context>>
MsmContextType::CreateContext(uint32_t /*ctx_id*/,
                              const std::string& /*name*/) {
  if (counters_.files.value() < config_.limits.max_files) {
    busy_.Sweep();
  } else {
    // Files may be open for what a program had that ended.
    busy_.SweepMore();
  }
  unfinished_.Sweep();
  ASSIGN_OR_RETURN(std::shared_ptr<DrmFile> drm,
                   OpenCounted(device_, counters_, config_.limits));
  // Makes the file's address space before a guest can: kernels from 6.17 on
  // dereference it unmade where GEM_SUBMIT is the first call. And the driver
  // tells its place only if it is the file's own. Attack stopped: memory of the
  // host used up until the driver cannot make page tables; then it opens files
  // all the same, on the address space where its own buffers are.
  if (const absl::StatusOr<uint64_t> va_start =
          drm->GetParam(MSM_PARAM_VA_START);
      !va_start.ok()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the host's msm driver gives a context no address space "
                     "of its own: ",
                     va_start.status().message()));
  }
  return std::make_unique<MsmContext>(
      std::move(drm),
      ContextEnvironment{
          .counters = counters_,
          .refused_submits = refused_submits_,
          .busy = busy_,
          .unfinished = unfinished_,
          .device = device_,
          .version_minor = capset_.version_minor,
          .priorities = capset_.priorities,
          .has_cached_coherent = capset_.has_cached_coherent != 0,
          .guests_always_cached = config_.guests_always_cached,
          .limits = config_.limits});
}

}  // namespace nacre::msm
