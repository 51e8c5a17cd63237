#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/mapping.h"

namespace nacre::msm {

// Our own mappings of the objects last uploaded to. Mesa cuts an upload into
// commands of 4 KiB, so a mapping is worth keeping for the next one; but a
// guest that uploads to 65,000 buffers must not use up the process's mappings.
class UploadMappings {
 public:
  // One buffer is filled at a time; a few more for threads of the guest.
  static constexpr size_t kMappings = 8;

  // Where the object is mapped, or null.
  uint8_t* Find(uint32_t handle) const;
  // In place of the oldest one.
  void Add(uint32_t handle, Mapping mapping);
  // Before the handle is closed, for the next object to have its number.
  void Drop(uint32_t handle);

 private:
  std::array<uint32_t, kMappings> handles_{};  // 0: none.
  std::array<Mapping, kMappings> mappings_;
  size_t next_ = 0;
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_UPLOAD_MAPPINGS_H_
