#ifndef NACRE_TOOLS_PRELOAD_PENDING_WORK_H_
#define NACRE_TOOLS_PRELOAD_PENDING_WORK_H_

#include <memory>
#include <vector>

#include "simulator/fence.h"

namespace nacre::preload {

// Submissions of the simulated GPU that have to be done, all of them, before
// something else is: what a sync_file or a point of a syncobj stands for (a
// kernel dma_fence, its arrays and chains among them). Of none: done. A value.
class PendingWork {
 public:
  PendingWork() = default;
  explicit PendingWork(std::shared_ptr<simulator::Fence> fence);

  // Whether all of it is done; then it stays so.
  bool done() const;
  // This and the other. What is done already is left out.
  void Add(const PendingWork& other);

  const std::vector<std::shared_ptr<simulator::Fence>>& fences() const {
    return fences_;
  }

 private:
  std::vector<std::shared_ptr<simulator::Fence>> fences_;
};

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_PENDING_WORK_H_
