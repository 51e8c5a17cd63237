#ifndef NACRE_TOOLS_PRELOAD_SYNCOBJ_H_
#define NACRE_TOOLS_PRELOAD_SYNCOBJ_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "tools/preload/changes.h"
#include "tools/preload/pending_work.h"

namespace nacre::preload {

// A DRM synchronization object (Linux drivers/gpu/drm/drm_syncobj.c): empty, or
// one piece of work (binary), or a timeline: points that rise, each with work
// of its own; a point is done when its work and that of all before it are.
// Thread-safe.
class Syncobj {
 public:
  // Announces there whatever may end a wait; must outlive this.
  explicit Syncobj(Changes& changes) : changes_(changes) {}

  // Binary: replaces all there is; nothing resets.
  void Replace(std::optional<PendingWork> work);

  // Timeline: adds a point. One that is not above the last starts the timeline
  // anew at the last point's number (which the UAPI leaves to its users to
  // avoid: Query then answers 0 until all is done).
  void AddPoint(uint64_t point, const PendingWork& work);

  // What to wait for until `point` is done, 0 meaning all that is there.
  // Nothing: no work was submitted for the point.
  std::optional<PendingWork> Find(uint64_t point);

  // The last point that is done, or 0.
  uint64_t Query();
  // The last point that was submitted, or 0.
  uint64_t LastSubmitted();

  // Waits for work to be submitted for a point: what was found first stays,
  // whatever happens to the syncobj afterwards. Used by one thread.
  class Waiter {
   public:
    Waiter(std::shared_ptr<Syncobj> syncobj, uint64_t point);
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter();

    // Nothing until it was submitted.
    std::optional<PendingWork> work() const;

   private:
    friend class Syncobj;
    const std::shared_ptr<Syncobj> syncobj_;
    const uint64_t point_;
    std::optional<PendingWork> work_;  // Guarded by the syncobj's mutex.
  };

 private:
  // A point, or (number 0, always the first) binary work.
  struct Node {
    uint64_t number = 0;
    uint64_t previous = 0;  // The number of the point before it.
    bool starts_timeline = false;
    PendingWork work;
  };

  // Drops the nodes below the last whose work is done (dma_fence_chain_walk).
  void DropDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<PendingWork> FindLocked(uint64_t point)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellWaiters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Changes& changes_;
  mutable Mutex mutex_;
  std::vector<Node> nodes_ ABSL_GUARDED_BY(mutex_);
  std::vector<Waiter*> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_SYNCOBJ_H_
