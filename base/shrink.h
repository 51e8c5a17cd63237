#ifndef NACRE_BASE_SHRINK_H_
#define NACRE_BASE_SHRINK_H_

#include <cstddef>

namespace nacre {

// Gives room back that a container (a hash table of absl's, a vector) has and
// does not use, where that is seven eighths of it. To be called where elements
// leave, which of itself frees nothing; on average it costs no more than it
// cost to put them in.
//
// Attack stopped: host heap far beyond a limit on the elements of many
// containers, by filling one after the other and emptying it again.
template <typename Container>
void ShrinkIfSparse(Container& container) {
  constexpr size_t kSmall = 16;
  const size_t capacity = container.capacity();
  if (capacity <= kSmall || 8 * container.size() >= capacity) return;
  if constexpr (requires { container.rehash(0); }) {
    container.rehash(0);
  } else {
    container.shrink_to_fit();
  }
}

}  // namespace nacre

#endif  // NACRE_BASE_SHRINK_H_
