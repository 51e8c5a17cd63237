#ifndef NACRE_VMM_HOST_SHORTAGE_H_
#define NACRE_VMM_HOST_SHORTAGE_H_

#include <chrono>
#include <thread>

namespace nacre::vmm {

// A host may be short of memory or of threads for a moment only, under a
// cgroup's limit for one. Whoever has a running guest to lose asks it again,
// after this. `times` is how often it did so already: each time the pause is
// twice as long, and after an eighth of a second in all this returns false at
// once.
inline bool WaitForHost(int times) {
  constexpr int kMostTimes = 7;
  if (times >= kMostTimes) return false;
  std::this_thread::sleep_for(std::chrono::milliseconds(1 << times));
  return true;
}

}  // namespace nacre::vmm

#endif  // NACRE_VMM_HOST_SHORTAGE_H_
