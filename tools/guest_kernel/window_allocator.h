#ifndef NACRE_TOOLS_GUEST_KERNEL_WINDOW_ALLOCATOR_H_
#define NACRE_TOOLS_GUEST_KERNEL_WINDOW_ALLOCATOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace nacre::guest_kernel {

// Places in the host-visible window, which the guest hands out: Linux's drm_mm
// as virtgpu_vram.c uses it, best fit, at the lower end of the smallest hole.
// Thread-safe.
class WindowAllocator {
 public:
  explicit WindowAllocator(uint64_t size);

  // `size` bytes, not 0: their offset, or nullopt where no hole is so large.
  // Offsets are multiples of whatever all sizes are multiples of.
  std::optional<uint64_t> Allocate(uint64_t size);
  // Gives back what Allocate returned for `size`.
  void Free(uint64_t offset, uint64_t size);

 private:
  void AddHole(uint64_t offset, uint64_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveHole(uint64_t offset, uint64_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  // Disjoint, and no two that touch.
  std::map<uint64_t, uint64_t> holes_ ABSL_GUARDED_BY(mutex_);  // By offset.
  std::set<std::pair<uint64_t, uint64_t>> by_size_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_WINDOW_ALLOCATOR_H_
