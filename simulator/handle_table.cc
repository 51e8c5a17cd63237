#include "simulator/handle_table.h"

#include <utility>

namespace nacre::simulator {

uint32_t HandleTable::Insert(std::shared_ptr<Buffer> buffer) {
  const auto known = by_buffer_.find(buffer.get());
  if (known != by_buffer_.end()) return known->second;
  uint32_t handle = 0;
  if (free_.empty()) {
    buffers_.emplace_back();
    handle = static_cast<uint32_t>(buffers_.size());
  } else {
    handle = *free_.begin();
    free_.erase(free_.begin());
  }
  by_buffer_[buffer.get()] = handle;
  buffers_[handle - 1] = std::move(buffer);
  return handle;
}

std::shared_ptr<Buffer> HandleTable::Find(uint32_t handle) const {
  if (handle == 0 || handle > buffers_.size()) return nullptr;
  return buffers_[handle - 1];
}

std::shared_ptr<Buffer> HandleTable::Remove(uint32_t handle) {
  std::shared_ptr<Buffer> buffer = Find(handle);
  if (buffer == nullptr) return nullptr;
  buffers_[handle - 1].reset();
  by_buffer_.erase(buffer.get());
  free_.insert(handle);
  return buffer;
}

}  // namespace nacre::simulator
