#include "devices/virtio_gpu/msm/upload_mappings.h"

#include <utility>

namespace nacre::msm {

uint8_t* UploadMappings::Find(uint32_t handle) const {
  for (size_t i = 0; i < kMappings; ++i) {
    if (handles_[i] == handle) return mappings_[i].data();
  }
  return nullptr;
}

void UploadMappings::Add(uint32_t handle, Mapping mapping) {
  size_t place = kLarge;
  if (mapping.size() <= kMaxKept) {
    place = next_;
    if (++next_ == kMappings) next_ = kLarge + 1;
  }
  handles_[place] = handle;
  mappings_[place] = std::move(mapping);
}

void UploadMappings::Drop(uint32_t handle) {
  for (size_t i = 0; i < kMappings; ++i) {
    if (handles_[i] != handle) continue;
    handles_[i] = 0;
    mappings_[i] = Mapping();
  }
}

}  // namespace nacre::msm
