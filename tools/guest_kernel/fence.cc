#include "tools/guest_kernel/fence.h"

#include <utility>

namespace nacre::guest_kernel {

bool Fence::Wait(OneShot::Deadline deadline) {
  const OneShot::Outcome outcome = settled_.Wait(deadline);
  if (outcome == OneShot::Outcome::kAtOnce) return true;
  counters_->fence_waits.Add();
  counters_->wake_ups.Add();
  return signalled();
}

void Fence::OnSignal(Callback callback) {
  {
    MutexLock lock(mutex_);
    if (!signalled()) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

void Fence::Signal() {
  signalled_.store(true, std::memory_order_release);
  std::vector<Callback> callbacks;
  {
    MutexLock lock(mutex_);
    callbacks.swap(callbacks_);
  }
  for (const Callback& callback : callbacks) callback();
  settled_.Set();
}

PendingFences::~PendingFences() {
  while (first_ != nullptr) Unlink(*first_);
}

uint64_t PendingFences::Emit(std::shared_ptr<Fence> fence) {
  fence->seqno_ = ++last_seqno_;
  fence->previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = fence.get();
  last_ = fence.get();
  last_->self_ = std::move(fence);
  return last_seqno_;
}

void PendingFences::Complete(uint64_t seqno,
                             std::vector<std::shared_ptr<Fence>>& done) {
  // From the front, where the next to be done are.
  const Fence* found = first_;
  while (found != nullptr && found->seqno_ < seqno) found = found->next_;
  if (found == nullptr || found->seqno_ != seqno) return;
  const uint64_t context = found->context_;
  for (Fence* fence = first_; fence != nullptr && fence->seqno_ <= seqno;) {
    Fence* const next = fence->next_;
    if (fence->context_ == context) {
      done.push_back(fence->self_);
      Unlink(*fence);
    }
    fence = next;
  }
}

void PendingFences::Unlink(Fence& fence) {
  (fence.previous_ != nullptr ? fence.previous_->next_ : first_) = fence.next_;
  (fence.next_ != nullptr ? fence.next_->previous_ : last_) = fence.previous_;
  fence.next_ = nullptr;
  fence.previous_ = nullptr;
  fence.self_.reset();
}

}  // namespace nacre::guest_kernel
