#include "tools/preload/syncobj.h"

#include <algorithm>

namespace nacre::preload {

void Syncobj::Replace(std::optional<PendingWork> work) {
  {
    MutexLock lock(mutex_);
    nodes_.clear();
    if (work) nodes_.push_back({.work = *std::move(work)});
    TellWaiters();
  }
  changes_.Announce();
}

void Syncobj::AddPoint(uint64_t point, const PendingWork& work) {
  {
    MutexLock lock(mutex_);
    const uint64_t last = nodes_.empty() ? 0 : nodes_.back().number;
    Node node{.number = point, .work = work};
    if (last != 0 && point > last) {
      node.previous = last;
    } else {
      node.number = std::max(point, last);
      node.starts_timeline = true;
    }
    nodes_.push_back(std::move(node));
    DropDone();
    TellWaiters();
  }
  changes_.Announce();
}

std::optional<PendingWork> Syncobj::Find(uint64_t point) {
  MutexLock lock(mutex_);
  return FindLocked(point);
}

uint64_t Syncobj::Query() {
  MutexLock lock(mutex_);
  DropDone();
  if (nodes_.empty()) return 0;
  if (nodes_.size() == 1 && nodes_.back().work.done()) {
    return nodes_.back().number;
  }
  // What is before the oldest that is not done, within the present timeline.
  size_t oldest = nodes_.size() - 1;
  while (oldest > 0 && !nodes_[oldest].starts_timeline &&
         nodes_[oldest - 1].number != 0) {
    --oldest;
  }
  return nodes_[oldest].previous;
}

uint64_t Syncobj::LastSubmitted() {
  MutexLock lock(mutex_);
  return nodes_.empty() ? 0 : nodes_.back().number;
}

void Syncobj::DropDone() {
  if (nodes_.empty()) return;
  const auto last = nodes_.end() - 1;
  nodes_.erase(
      std::remove_if(nodes_.begin(), last,
                     [](const Node& node) { return node.work.done(); }),
      last);
}

// dma_fence_chain_find_seqno.
std::optional<PendingWork> Syncobj::FindLocked(uint64_t point) {
  if (nodes_.empty()) return std::nullopt;
  if (point != 0 && nodes_.back().number < point) return std::nullopt;
  // The oldest node that reaches the point, and all before it.
  size_t end = nodes_.size();
  while (point != 0 && end > 0 && nodes_[end - 1].previous >= point) --end;
  PendingWork work;
  for (size_t i = 0; i < end; ++i) work.Add(nodes_[i].work);
  return work;
}

void Syncobj::TellWaiters() {
  for (Waiter* waiter : waiters_) {
    if (!waiter->work_) waiter->work_ = FindLocked(waiter->point_);
  }
}

Syncobj::Waiter::Waiter(std::shared_ptr<Syncobj> syncobj, uint64_t point)
    : syncobj_(std::move(syncobj)), point_(point) {
  MutexLock lock(syncobj_->mutex_);
  work_ = syncobj_->FindLocked(point_);
  syncobj_->waiters_.push_back(this);
}

Syncobj::Waiter::~Waiter() {
  MutexLock lock(syncobj_->mutex_);
  std::erase(syncobj_->waiters_, this);
}

std::optional<PendingWork> Syncobj::Waiter::work() const {
  MutexLock lock(syncobj_->mutex_);
  return work_;
}

}  // namespace nacre::preload
