#include "devices/virtio_gpu/rings.h"

#include <utility>

#include "absl/base/optimization.h"
#include "absl/memory/memory.h"
#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {

absl::StatusOr<std::unique_ptr<Rings>> Rings::Create(
    std::vector<virtio::ActiveQueue>& queues, virtio::DriverNotifier* notifier,
    Stats* stats, LogLimiter* log_limiter) {
  auto rings =
      absl::WrapUnique(new Rings(queues, notifier, stats, log_limiter));
  ASSIGN_OR_RETURN(rings->reactor_,
                   FenceReactor::Create([r = rings.get()](auto tokens) {
                     r->OnFencesSignalled(tokens);
                   }));
  return rings;
}

Rings::Rings(std::vector<virtio::ActiveQueue>& queues,
             virtio::DriverNotifier* notifier, Stats* stats,
             LogLimiter* log_limiter)
    : notifier_(notifier), stats_(stats), log_limiter_(log_limiter) {
  MutexLock lock(mutex_);
  for (virtio::ActiveQueue& queue : queues) {
    rings_.push_back({queue.index, std::move(queue.queue)});
  }
}

Rings::~Rings() {
  reactor_.reset();
  MutexLock lock(mutex_);
  timelines_.Clear([](Fenced fenced) {
    if (fenced.chain) std::move(*fenced.chain).Abandon();
  });
  stats_->fences_pending.Set(0);
}

void RingBatch::Abandon() {
  while (!empty()) Next().Abandon();
  for (size_t i = 0; i < done_; ++i) std::move(executed_[i]).Abandon();
  done_ = 0;
}

void Rings::Serve(size_t queue, RingBatch& batch, bool take) {
  News news;
  uint16_t index = 0;
  {
    MutexLock lock(mutex_);
    Ring& ring = rings_[queue];
    AddUsed(ring, batch);
    ring.queue.PublishUsed();
    if (take) {
      Take(ring, batch);
      if (!batch.empty()) return;
    }
    index = ring.index;
    news = NewsFor(ring);
  }
  Tell(news, index);
}

void Rings::GiveBackInOrder(size_t queue, RingBatch& batch,
                            RingRequest& request) {
  std::optional<uint64_t> token;
  const int fence = request.fence.get();
  {
    MutexLock lock(mutex_);
    Ring& ring = rings_[queue];
    AddUsed(ring, batch);
    token = Order(ring, request);
    ring.queue.PublishUsed();
  }
  request = {};
  if (token) reactor_->Watch(fence, *token);
}

uint64_t Rings::HoldPlace(const TimelineId& timeline) {
  MutexLock lock(mutex_);
  const uint64_t place = timelines_.AddPending(timeline, Fenced());
  stats_->fences_pending.Set(timelines_.pending());
  return place;
}

bool Rings::PrepareToSleep() {
  MutexLock lock(mutex_);
  bool more = false;
  if (!broken_) {
    for (Ring& ring : rings_) more |= ring.queue.EnableKicks();
  }
  return !more;
}

void Rings::EndSleep() {
  MutexLock lock(mutex_);
  for (Ring& ring : rings_) ring.queue.DisableKicks();
}

void Rings::AddUsed(Ring& ring, virtio::DescriptorChain chain) {
  if (ABSL_PREDICT_FALSE(broken_)) return std::move(chain).Abandon();
  ring.queue.AddUsed({&chain, 1});
}

void Rings::AddUsed(Ring& ring, RingBatch& batch) {
  const std::span executed(batch.executed_.data(), batch.done_);
  batch.done_ = 0;
  if (ABSL_PREDICT_TRUE(!broken_)) return ring.queue.AddUsed(executed);
  for (virtio::DescriptorChain& chain : executed) std::move(chain).Abandon();
}

std::optional<uint64_t> Rings::Order(Ring& ring, RingRequest& request) {
  const TimelineId& timeline = *request.timeline;
  const bool waits = request.fence.valid();
  Fenced fenced = {std::move(request.chain), std::move(request.fence),
                   std::move(request.fence_share), std::move(request.observer)};
  if (request.place) {
    *timelines_.Find(*request.place) = std::move(fenced);
    if (waits) {
      stats_->fences_waited.Add();
      return request.place;
    }
    Fds spent;
    Signal(ring, *request.place, spent);
    return std::nullopt;
  }
  if (waits) {
    const uint64_t token = timelines_.AddPending(timeline, std::move(fenced));
    stats_->fences_pending.Set(timelines_.pending());
    stats_->fences_waited.Add();
    return token;
  }
  std::optional<Fenced> complete =
      timelines_.AddSignalled(timeline, std::move(fenced));
  if (complete) {
    stats_->fences_completed.Add();
    AddUsed(ring, *std::move(complete->chain));
  } else {
    stats_->fences_pending.Set(timelines_.pending());
  }
  return std::nullopt;
}

void Rings::Signal(Ring& ring, uint64_t token, Fds& spent) {
  const std::optional<TimelineId> timeline = timelines_.Signal(token);
  if (!timeline) return;
  while (auto fenced = timelines_.TakeCompleted(*timeline)) {
    stats_->fences_completed.Add();
    AddUsed(ring, *std::move(fenced->chain));
    if (fenced->fence.valid()) spent.push_back(std::move(fenced->fence));
  }
  stats_->fences_pending.Set(timelines_.pending());
}

void Rings::Take(Ring& ring, RingBatch& batch) {
  batch.next_ = 0;
  batch.taken_ = 0;
  if (broken_) return;
  for (virtio::DescriptorChain& chain : batch.to_do_) {
    auto popped = ring.queue.Pop();
    // Those before a broken one are answered first; then it is met again.
    if (!popped.ok() && batch.taken_ == 0) Break(ring.index, popped.status());
    if (!popped.ok() || !*popped) return;
    chain = **std::move(popped);
    ++batch.taken_;
  }
}

void Rings::OnFencesSignalled(std::span<const uint64_t> tokens) {
  TellObservers(tokens);
  Fds spent;  // Closed after the driver has been told.
  News news;
  uint16_t index = 0;
  {
    MutexLock lock(mutex_);
    Ring& ring = rings_.front();
    index = ring.index;
    for (const uint64_t token : tokens) Signal(ring, token, spent);
    ring.queue.PublishUsed();
    news = NewsFor(ring);
  }
  Tell(news, index);
}

void Rings::TellObservers(std::span<const uint64_t> tokens) {
  absl::InlinedVector<std::shared_ptr<FenceObserver>, FenceReactor::kMaxBatch>
      observers;
  {
    MutexLock lock(mutex_);
    for (const uint64_t token : tokens) {
      const Fenced* fenced = timelines_.Find(token);
      if (fenced == nullptr || fenced->observer == nullptr) continue;
      // Mostly one context's: told once.
      if (!observers.empty() && observers.back() == fenced->observer) continue;
      observers.push_back(fenced->observer);
    }
  }
  for (const auto& observer : observers) observer->OnFenceSignalled();
}

Rings::News Rings::NewsFor(Ring& ring) {
  News news;
  if (broken_) {
    news.needs_reset = !std::exchange(broken_reported_, true);
    if (news.needs_reset) stats_->broken_queues.Add();
  } else if (ring.queue.NeedsInterrupt()) {
    news.interrupt = true;
    stats_->interrupts.Add();
  }
  return news;
}

void Rings::Tell(const News& news, uint16_t index) {
  if (news.interrupt) notifier_->NotifyUsedBuffers(index);
  if (news.needs_reset) notifier_->SetNeedsReset();
}

void Rings::Break(uint16_t index, const absl::Status& status) {
  LOG_IF(WARNING, log_limiter_->Allow())
      << "virtio-gpu queue " << index << ": " << status;
  broken_ = true;
}

}  // namespace nacre::virtio_gpu
