#include "tools/preload/changes.h"

namespace nacre::preload {

void Changes::Announce() {
  {
    MutexLock lock(mutex_);
    ++count_;
  }
  changed_.SignalAll();
}

uint64_t Changes::count() const {
  MutexLock lock(mutex_);
  return count_;
}

bool Changes::WaitPast(uint64_t seen, Deadline deadline) {
  MutexLock lock(mutex_);
  while (count_ == seen) {
    if (!changed_.WaitUntil(mutex_, deadline)) return count_ != seen;
  }
  return true;
}

}  // namespace nacre::preload
