#ifndef NACRE_TOOLS_PRELOAD_FENCE_H_
#define NACRE_TOOLS_PRELOAD_FENCE_H_

#include <cstdint>

namespace nacre::preload {

// The completion of one piece of a driver's work (a kernel dma_fence). Signals
// once. Thread-safe.
class Fence {
 public:
  virtual ~Fence() = default;

  // Whether the work is done; what it wrote is visible to whoever read true.
  virtual bool signalled() const = 0;
  // Numbers the timeline that the work is on: of two fences of one context the
  // later implies the earlier.
  virtual uint64_t context() const = 0;

  // As SYNC_IOC_FILE_INFO says them: up to 31 bytes, alive as long as this.
  virtual const char* driver_name() const = 0;
  virtual const char* timeline_name() const = 0;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_FENCE_H_
