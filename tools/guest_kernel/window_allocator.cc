#include "tools/guest_kernel/window_allocator.h"

#include <iterator>

namespace nacre::guest_kernel {

WindowAllocator::WindowAllocator(uint64_t size) {
  MutexLock lock(mutex_);
  if (size != 0) AddHole(0, size);
}

std::optional<uint64_t> WindowAllocator::Allocate(uint64_t size) {
  MutexLock lock(mutex_);
  const auto best = by_size_.lower_bound({size, 0});
  if (best == by_size_.end()) return std::nullopt;
  const auto [hole_size, offset] = *best;
  RemoveHole(offset, hole_size);
  if (hole_size > size) AddHole(offset + size, hole_size - size);
  return offset;
}

void WindowAllocator::Free(uint64_t offset, uint64_t size) {
  MutexLock lock(mutex_);
  const auto above = holes_.lower_bound(offset);
  if (above != holes_.begin()) {
    const auto [below_offset, below_size] = *std::prev(above);
    if (below_offset + below_size == offset) {
      RemoveHole(below_offset, below_size);
      offset = below_offset;
      size += below_size;
    }
  }
  if (const auto next = holes_.find(offset + size); next != holes_.end()) {
    const auto [next_offset, next_size] = *next;
    RemoveHole(next_offset, next_size);
    size += next_size;
  }
  AddHole(offset, size);
}

void WindowAllocator::AddHole(uint64_t offset, uint64_t size) {
  holes_.emplace(offset, size);
  by_size_.emplace(size, offset);
}

void WindowAllocator::RemoveHole(uint64_t offset, uint64_t size) {
  holes_.erase(offset);
  by_size_.erase({size, offset});
}

}  // namespace nacre::guest_kernel
