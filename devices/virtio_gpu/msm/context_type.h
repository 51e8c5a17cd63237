#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_CONTEXT_TYPE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_CONTEXT_TYPE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/counter.h"
#include "devices/virtio_gpu/context.h"
#include "devices/virtio_gpu/msm/busy_objects.h"
#include "devices/virtio_gpu/msm/counters.h"
#include "devices/virtio_gpu/msm/drm_device.h"
#include "devices/virtio_gpu/msm/limits.h"
#include "devices/virtio_gpu/msm/unfinished_work.h"
#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

struct MsmConfig {
  // The hypervisor makes every access of a guest to RAM a cached one, however
  // the guest maps it: KVM on arm64 CPUs with FEAT_S2FWB (from Armv8.4 on);
  // vmm/guest_caching.h asks KVM. A GPU does not find in memory what such a
  // guest wrote to a write-combined object, so those become CACHED_COHERENT,
  // which native programs use wherever they read much.
  bool guests_always_cached = false;
  Limits limits = {};
};

// The msm native context type: capset 6, wire format 2, over a host GPU that
// the msm driver (or the simulator) runs. A guest's Mesa speaks to it in ccmds,
// see wire.h and context.h.
//
// Outlives its contexts and every blob they made. Contexts may be used and made
// at the same time; counters() may be read from any thread.
class MsmContextType final : public virtio_gpu::ContextType {
 public:
  // Opens one file on `device`, which must outlive the result, to read the
  // capset from it. FailedPrecondition, with one line that says what was found
  // and what is needed, where the driver is too old or has no GPU address space
  // per file, or where guests are always cached and the GPU does not look into
  // caches.
  static absl::StatusOr<std::unique_ptr<MsmContextType>> Create(
      DrmDevice& device, const MsmConfig& config = {});

  uint32_t capset_id() const override { return VIRTIO_GPU_CAPSET_DRM; }
  // GET_CAPSET's version is not the wire format's: guests ask for 0.
  uint32_t capset_version() const override { return 0; }
  std::span<const uint8_t> capset() const override;
  absl::StatusOr<std::unique_ptr<virtio_gpu::Context>> CreateContext(
      uint32_t ctx_id, const std::string& name) override;
  void ReleaseIdle() override {
    busy_.SweepAll();
    unfinished_.SweepAll();
  }

  // The capset by its fields, for a summary line.
  const virgl_renderer_capset_drm& gpu() const { return capset_; }
  const Counters& counters() const { return counters_; }

 private:
  MsmContextType(DrmDevice& device, const MsmConfig& config,
                 const virgl_renderer_capset_drm& capset)
      : device_(device),
        config_(config),
        capset_(capset),
        busy_(counters_),
        unfinished_(config_.limits, counters_) {}

  DrmDevice& device_;
  const MsmConfig config_;
  const virgl_renderer_capset_drm capset_;
  Counters counters_;
  SharedCounter refused_submits_;
  BusyObjects busy_;
  UnfinishedWork unfinished_;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_CONTEXT_TYPE_H_
