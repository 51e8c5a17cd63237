#include "simulator/range_allocator.h"

#include "base/checked.h"

namespace nacre::simulator {

RangeAllocator::RangeAllocator(uint64_t start, uint64_t size) {
  AddHole(start, size);
}

bool RangeAllocator::Reserve(uint64_t start, uint64_t size) {
  auto hole = holes_.upper_bound(start);
  if (hole == holes_.begin()) return false;
  --hole;
  if (!RangeFits(start - hole->first, size, hole->second)) return false;
  TakeFrom(hole, start, size);
  return true;
}

std::optional<uint64_t> RangeAllocator::Allocate(uint64_t size) {
  const auto fit = by_size_.lower_bound({size, 0});
  if (fit == by_size_.end()) return std::nullopt;
  const uint64_t start = fit->second;
  TakeFrom(holes_.find(start), start, size);
  return start;
}

void RangeAllocator::Free(uint64_t start, uint64_t size) {
  auto next = holes_.lower_bound(start);
  if (next != holes_.end() && start + size == next->first) {
    size += next->second;
    const auto merged = next++;
    RemoveHole(merged);
  }
  if (next != holes_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == start) {
      start = previous->first;
      size += previous->second;
      RemoveHole(previous);
    }
  }
  AddHole(start, size);
}

void RangeAllocator::AddHole(uint64_t start, uint64_t size) {
  if (size == 0) return;
  holes_.emplace(start, size);
  by_size_.emplace(size, start);
}

void RangeAllocator::RemoveHole(Holes::iterator hole) {
  by_size_.erase({hole->second, hole->first});
  holes_.erase(hole);
}

void RangeAllocator::TakeFrom(Holes::iterator hole, uint64_t start,
                              uint64_t size) {
  const auto [hole_start, hole_size] = *hole;
  RemoveHole(hole);
  AddHole(hole_start, start - hole_start);
  AddHole(start + size, hole_start + hole_size - (start + size));
}

}  // namespace nacre::simulator
