#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_NULL_DRM_DEVICE_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_NULL_DRM_DEVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "devices/virtio_gpu/msm/drm_device.h"

namespace nacre::msm {

// An msm driver that does nothing, successfully and at once: what is measured
// over it is the cost of everything above it. Its files have a MSM_PARAM of
// their own, kMarkParam, by which a guest's command stream makes a mark in the
// measurement: on whichever thread gets there, in the order of the commands. As
// those of any driver, its files are for one thread at a time.
class NullDrmDevice final : public DrmDevice {
 public:
  static constexpr uint32_t kMarkParam = 0x6d61726b;

  // What a GEM_SUBMIT gives back that asks for a fence: a fence that has been
  // signalled (a descriptor to make and to close, as a driver's), or none.
  enum class Fences { kNone, kSignalled };

  // Whether the GPU is at work on every object when it is first asked, by
  // GEM_CPU_PREP; such a driver is one whose GEM_CLOSE waits (msm 1.13).
  enum class Objects { kIdle, kBusyAtFirst };

  explicit NullDrmDevice(Fences fences = Fences::kNone,
                         Objects objects = Objects::kIdle);

  // Calls `mark` for every GET_PARAM of kMarkParam. Before Open.
  void set_mark(std::function<void()> mark) { mark_ = std::move(mark); }

  DriverVersion version() const override {
    return {1, objects_ == Objects::kIdle ? 12u : 13u, 0};
  }
  uint64_t page_size() const override;
  CpuCaching CachingOf(uint32_t) const override { return CpuCaching::kCached; }
  absl::StatusOr<std::unique_ptr<DrmFile>> Open() override;

 private:
  const Fd memory_;  // Of every object.
  const Fd fence_;
  const Objects objects_;
  std::function<void()> mark_ = [] {};
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_TESTING_NULL_DRM_DEVICE_H_
