#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/base/optimization.h"
#include "base/mapping.h"

namespace nacre::msm {

// Our own mappings of the objects last uploaded to. Mesa cuts an upload into
// commands of 4 KiB, so a mapping is worth keeping for the next one; but a
// guest that uploads to 65,000 buffers must not use up the process's mappings.
class UploadMappings {
 public:
  // One buffer is filled at a time; a few more for threads of the guest.
  static constexpr size_t kMappings = 8;
  // Attack stopped: the process's address space and page tables used up by
  // mappings of huge objects that every context keeps. Larger ones are dropped
  // when a SUBMIT_3D is over.
  static constexpr size_t kMaxKept = size_t{64} << 20;

  // Where the object is mapped, or null.
  uint8_t* Find(uint32_t handle) const;
  // In place of the oldest one.
  void Add(uint32_t handle, Mapping mapping);
  // Before the handle is closed, for the next object to have its number.
  void Drop(uint32_t handle);
  // The SUBMIT_3D is over.
  void End() {
    if (ABSL_PREDICT_TRUE(!added_)) return;
    added_ = false;
    DropLarge();
  }

 private:
  void DropLarge();

  std::array<uint32_t, kMappings> handles_{};  // 0: none.
  std::array<Mapping, kMappings> mappings_;
  size_t next_ = 0;
  bool added_ = false;  // Since the last End.
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_
