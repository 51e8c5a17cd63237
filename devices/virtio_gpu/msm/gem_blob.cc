#include "devices/virtio_gpu/msm/gem_blob.h"

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/msm/drm_device.h"

namespace nacre::msm {
namespace {

// The one place that decides how guests map GEM objects.
//
// Linux's guest driver maps for WC write-combined (on arm64 Normal
// non-cacheable), for UNCACHED as a device, else write-back (virtgpu_vram.c).
// KVM's stage 2 has RAM as write-back, whatever the host's own mapping is
// (arm64 kvm/mmu.c: buffers are RAM with struct pages). Without FEAT_S2FWB the
// stricter of the two stages wins, so that what is said here is what the
// guest's CPUs do. One memory through caches and past them at the same time
// loses writes; so the guest has to do as all others do who touch the memory:
//
// - the GPU, which on msm looks into CPU caches for CACHED_COHERENT alone;
// - Mesa, which for CACHED cleans and invalidates caches by address itself, in
//   a guest as elsewhere, and for WC does nothing;
// - the host's kernel, which cleans the pages of a WC object once, when it gets
//   them, and KVM, which cleans a page when it maps it to the guest;
// - this process, in GEM_UPLOAD, through a mapping that the driver made; and a
//   simulated GPU, which is this process.
//
// All of them follow the driver's own mapping, which the driver tells. With
// FEAT_S2FWB a guest has everything write-back and cannot do otherwise: then
// WC objects must not be (MsmConfig::guests_always_cached).
virtio_gpu::MapCaching MapCachingOf(CpuCaching caching) {
  switch (caching) {
    case CpuCaching::kCached:
      return virtio_gpu::MapCaching::kCached;
    case CpuCaching::kWriteCombined:
      return virtio_gpu::MapCaching::kWriteCombined;
  }
  return virtio_gpu::MapCaching::kNone;
}

}  // namespace

absl::StatusOr<virtio_gpu::BlobMemory> GemBlob::GetMemory() {
  if (!mappable_) {
    return absl::FailedPreconditionError("blob was not made mappable");
  }
  ASSIGN_OR_RETURN(const GemMemory memory, object_->GetMemory());
  return virtio_gpu::BlobMemory{.fd = memory.fd,
                                .offset = memory.offset,
                                .caching = MapCachingOf(object_->caching())};
}

absl::StatusOr<Fd> GemBlob::Export() {
  if (!shareable_) {
    return absl::FailedPreconditionError("blob was not made shareable");
  }
  return object_->Export();
}

}  // namespace nacre::msm
