#ifndef NACRE_SIMULATOR_RANGE_ALLOCATOR_H_
#define NACRE_SIMULATOR_RANGE_ALLOCATOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace nacre::simulator {

// Hands out parts of [start, start + size), the way the kernel's drm_mm does in
// best-fit mode: the smallest hole that is large enough, the lowest of equal
// ones, at its low end. Every operation is logarithmic in the number of holes,
// so that no sequence of requests makes it slow. No thread.
class RangeAllocator {
 public:
  // `start + size` must not overflow.
  RangeAllocator(uint64_t start, uint64_t size);

  // Takes exactly [start, start + size); false where a part of it is outside,
  // taken, or wraps. `size` > 0.
  bool Reserve(uint64_t start, uint64_t size);
  // Takes `size` > 0 bytes anywhere; nullopt where no hole is large enough.
  std::optional<uint64_t> Allocate(uint64_t size);
  // Gives back what Reserve or Allocate took, with the same size.
  void Free(uint64_t start, uint64_t size);

 private:
  using Holes = std::map<uint64_t, uint64_t>;  // Start to size.

  void AddHole(uint64_t start, uint64_t size);
  void RemoveHole(Holes::iterator hole);
  void TakeFrom(Holes::iterator hole, uint64_t start, uint64_t size);

  Holes holes_;
  std::set<std::pair<uint64_t, uint64_t>> by_size_;  // (size, start)
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_RANGE_ALLOCATOR_H_
