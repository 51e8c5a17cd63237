#include "simulator/reservation.h"

#include <utility>

namespace nacre::simulator {

void Reservation::Add(std::shared_ptr<Fence> fence, Use use) {
  MutexLock lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.fence->signalled() ||
           (entry.use == use && entry.fence->context() == fence->context());
  });
  entries_.push_back({std::move(fence), use});
}

bool Reservation::Busy(Use use) const {
  MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (use == Use::kRead && entry.use == Use::kRead) continue;
    if (!entry.fence->signalled()) return true;
  }
  return false;
}

void Reservation::AddDependencies(Use use, uint64_t context,
                                  FenceSet& fences) const {
  MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (use == Use::kRead && entry.use == Use::kRead) continue;
    if (entry.fence->context() == context) continue;
    if (!entry.fence->signalled()) fences.insert(entry.fence);
  }
}

}  // namespace nacre::simulator
