#include "tools/preload/changes.h"

namespace nacre::preload {

void Changes::Announce() {
  MutexLock lock(mutex_);
  count_.fetch_add(1, std::memory_order_release);
  for (Waiter* const waiter : waiters_) {
    if (waiter->woken || !waiter->concerned()) continue;
    waiter->woken = true;
    waiter->wake.Signal();
  }
}

bool Changes::WaitPast(uint64_t seen, Deadline deadline, Concerned concerned) {
  Waiter waiter{.concerned = concerned};
  MutexLock lock(mutex_);
  // Else what changes now is announced after we are in the list.
  if (count() != seen) return true;
  waiters_.push_back(&waiter);
  while (!waiter.woken && waiter.wake.WaitUntil(mutex_, deadline)) {
  }
  std::erase(waiters_, &waiter);
  return waiter.woken;
}

}  // namespace nacre::preload
