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
  handles_[next_] = handle;
  mappings_[next_] = std::move(mapping);
  next_ = (next_ + 1) % kMappings;
  added_ = true;
}

void UploadMappings::Drop(uint32_t handle) {
  for (size_t i = 0; i < kMappings; ++i) {
    if (handles_[i] != handle) continue;
    handles_[i] = 0;
    mappings_[i] = Mapping();
  }
}

void UploadMappings::DropLarge() {
  for (size_t i = 0; i < kMappings; ++i) {
    if (mappings_[i].size() > kMaxKept) Drop(handles_[i]);
  }
}

}  // namespace nacre::msm
