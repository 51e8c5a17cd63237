#include "tools/preload/pending_work.h"

#include <algorithm>
#include <utility>

namespace nacre::preload {

PendingWork::PendingWork(std::shared_ptr<const Fence> fence) {
  fences_.push_back(std::move(fence));
}

bool PendingWork::done() const {
  return std::all_of(fences_.begin(), fences_.end(),
                     [](const auto& fence) { return fence->signalled(); });
}

void PendingWork::Add(const PendingWork& other) {
  fences_.erase(
      std::remove_if(fences_.begin(), fences_.end(),
                     [](const auto& fence) { return fence->signalled(); }),
      fences_.end());
  for (const std::shared_ptr<const Fence>& fence : other.fences_) {
    if (fence->signalled()) continue;
    if (std::find(fences_.begin(), fences_.end(), fence) == fences_.end()) {
      fences_.push_back(fence);
    }
  }
}

}  // namespace nacre::preload
