#ifndef NACRE_TOOLS_PRELOAD_PENDING_WORK_H_
#define NACRE_TOOLS_PRELOAD_PENDING_WORK_H_

#include <memory>

#include "absl/container/inlined_vector.h"
#include "tools/preload/fence.h"

namespace nacre::preload {

// Fences that have to signal, all of them, before something else is done: what
// a sync_file or a point of a syncobj stands for (a kernel dma_fence_array or
// dma_fence_chain). Of none: done. A value.
class PendingWork {
 public:
  PendingWork() = default;
  explicit PendingWork(std::shared_ptr<const Fence> fence);

  // Whether all of it is done; then it stays so.
  bool done() const;
  // This and the other. What is done already is left out.
  void Add(const PendingWork& other);

  // Most are of one fence.
  using Fences = absl::InlinedVector<std::shared_ptr<const Fence>, 1>;
  const Fences& fences() const { return fences_; }

 private:
  Fences fences_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_PENDING_WORK_H_
