#ifndef NACRE_VMM_HOST_SHORTAGE_H_
#define NACRE_VMM_HOST_SHORTAGE_H_

#include <chrono>
#include <thread>

namespace nacre::vmm {

// A host may be short of memory or of threads for a moment only, under a
// cgroup's limit for one. Whoever has a running guest to lose asks it again.
class HostShortage {
 public:
  // To be called when the host refused once more. Pauses, each time twice as
  // long as before; after an eighth of a second in all this is no moment:
  // returns false at once.
  bool Wait() {
    constexpr int kMostWaits = 7;
    if (waits_ == kMostWaits) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1 << waits_++));
    return true;
  }
  // It is over: another one would have its own eighth.
  void End() { waits_ = 0; }

 private:
  int waits_ = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_HOST_SHORTAGE_H_
