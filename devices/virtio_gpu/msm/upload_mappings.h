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
  // One buffer is filled at a time; a few more for threads of the guest. The
  // first is for a large one.
  static constexpr size_t kMappings = 8;
  // Attack stopped: the process's address space and page tables used up by
  // mappings of huge objects that every context keeps. A larger one is large:
  // there is one at a time, and none once a SUBMIT_3D is over.
  static constexpr size_t kMaxKept = size_t{64} << 20;

  // Where the object is mapped, or null.
  uint8_t* Find(uint32_t handle) const;
  // In place of the large one or of the oldest of the others.
  void Add(uint32_t handle, Mapping mapping);
  // Before the handle is closed, for the next object to have its number.
  void Drop(uint32_t handle);
  // The large one, if there is one.
  void DropLarge() {
    if (ABSL_PREDICT_FALSE(handles_[kLarge] != 0)) Drop(handles_[kLarge]);
  }

 private:
  static constexpr size_t kLarge = 0;

  std::array<uint32_t, kMappings> handles_{};  // 0: none.
  std::array<Mapping, kMappings> mappings_;
  size_t next_ = kLarge + 1;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_
