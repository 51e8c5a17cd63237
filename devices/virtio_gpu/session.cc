#include "devices/virtio_gpu/session.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/memory/memory.h"
#include "base/epoll.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "devices/virtio_gpu/wire.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {
namespace {

// Requests taken off one queue before the other gets its turn, and before the
// driver hears of the ones that are done.
constexpr int kBatchSize = 64;

// After this long without a kick, memory for large requests is given back.
constexpr int kIdleMilliseconds = 1000;

// With an event of epoll: whether it is a kick.
enum Event : uint64_t { kWake, kKick };

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Start(
    const Executor::Environment& environment, virtio::Activation activation) {
  if (activation.queues.empty() ||
      activation.queues.front().index != wire::kControlQueue) {
    return absl::InvalidArgumentError(
        "virtio-gpu without its control queue: the driver must enable queue 0");
  }
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create1");
  // Edge-triggered: every kick is an edge, and nobody need read the counter.
  ASSIGN_OR_RETURN(EventFd wake, EventFd::Create());
  RETURN_IF_ERROR(AddToEpoll(epoll, wake.fd(), EPOLLIN | EPOLLET, kWake));
  std::vector<Queue> queues;
  for (virtio::ActiveQueue& queue : activation.queues) {
    RETURN_IF_ERROR(
        AddToEpoll(epoll, queue.kick.fd(), EPOLLIN | EPOLLET, kKick));
    queues.push_back({queue.index == wire::kControlQueue ? QueueKind::kControl
                                                         : QueueKind::kCursor,
                      std::move(queue.kick)});
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Rings> rings,
                   Rings::Create(activation.queues, activation.notifier,
                                 environment.stats, environment.log_limiter));
  auto session = absl::WrapUnique(
      new Session(environment, std::move(queues), std::move(rings),
                  std::move(epoll), std::move(wake)));
  RETURN_IF_ERROR(session->relay_.Start());
  return session;
}

Session::Session(const Executor::Environment& environment,
                 std::vector<Queue> queues, std::unique_ptr<Rings> rings,
                 Fd epoll, EventFd wake)
    : stats_(environment.stats),
      queues_(std::move(queues)),
      pending_fences_(environment.limits.max_pending_fences),
      rings_(std::move(rings)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      relay_(this),
      batches_(queues_.size()),
      dispatcher_(environment, pending_fences_, relay_) {}

Session::~Session() {
  dispatcher_.Cancel();
  relay_.Stop();
  for (RingBatch& batch : batches_) batch.Abandon();
  parking_.Clear([](std::unique_ptr<Job> job) {
    std::move(job->request.chain).Abandon();
  });
}

void Session::Lead() {
  Worker worker;
  while (!relay_.should_pass()) {
    // At first, what the driver made available before it was DRIVER_OK.
    ExecuteReady(worker);
    bool more = false;
    for (size_t queue = 0; queue < queues_.size(); ++queue) {
      more |= ServiceQueue(queue, worker);
    }
    // The wake-up of somebody who waits for the lead may be spent: several are
    // one event.
    if (more || parking_.ready() || relay_.should_pass()) continue;
    if (is_full()) {
      Sleep(worker);
    } else if (NothingTaken() && rings_->PrepareToSleep()) {
      Sleep(worker);
    }
  }
}

bool Session::NothingTaken() const {
  return std::all_of(batches_.begin(), batches_.end(),
                     [](const RingBatch& batch) { return batch.empty(); });
}

void Session::Sleep(Worker& worker) {
  std::array<epoll_event, 4> events;
  int count = 0;
  relay_.OnSleep();
  do {
    count = epoll_wait(epoll_.get(), events.data(), events.size(),
                       worker.buffer.large() ? kIdleMilliseconds : -1);
    PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
    if (count == 0) worker.buffer.Shrink();
  } while (count <= 0);
  relay_.OnWake();
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == kKick) stats_->kicks.Add();
  }
  rings_->EndSleep();
}

inline void Session::Execute(Job& job, RequestBuffer& buffer) {
  relay_.set_task(&job);
  dispatcher_.Execute(job, buffer);
  if (ABSL_PREDICT_FALSE(job.ticket != 0)) {
    parking_.Leave(std::exchange(job.ticket, 0));
  }
}

inline void Session::GiveBack(Job& job, RingBatch& batch) {
  if (ABSL_PREDICT_FALSE(job.request.timeline)) {
    return rings_->GiveBackInOrder(job.queue, batch, job.request);
  }
  if (ABSL_PREDICT_FALSE(batch.full())) rings_->GiveBack(job.queue, batch);
  batch.Add(std::move(job.request.chain));
}

bool Session::ServiceQueue(size_t queue, Worker& worker) {
  Job& job = worker.job;
  job.queue = queue;
  job.kind = queues_[queue].kind;
  RingBatch& batch = batches_[queue];
  for (int i = 0; i < kBatchSize; ++i) {
    if (relay_.should_pass()) break;
    if (!parking_.empty()) {
      if (parking_.ready() || is_full()) break;
      // The threads may all be in calls.
      if (i != 0 && !relay_.Watch()) rings_->GiveBack(queue, batch);
    }
    if (batch.empty()) {
      rings_->Exchange(queue, batch);
      if (batch.empty()) return false;
    }
    job.request.chain = batch.Next();
    dispatcher_.ReadHeader(job);
    if (parking_.empty() || !Park(job, worker.buffer)) {
      Execute(job, worker.buffer);
      GiveBack(job, batch);
    }
  }
  rings_->GiveBack(queue, batch);
  return !is_full();
}

void Session::ExecuteReady(Worker& worker) {
  while (parking_.ready() && !relay_.should_pass()) {
    const std::unique_ptr<Job> job = parking_.TakeReady();
    parked_bytes_ -= job->kept.size();
    Execute(*job, worker.buffer);
    RingBatch& batch = batches_[job->queue];
    GiveBack(*job, batch);
    rings_->GiveBack(job->queue, batch);
  }
}

bool Session::Park(Job& job, RequestBuffer& buffer) {
  const std::vector<Claim> claims = dispatcher_.ClaimsOf(job, buffer);
  if (!parking_.MustWait(claims)) return false;
  HoldPlace(job);
  auto parked = std::make_unique<Job>(std::move(job));
  job.request = {};
  if (parked->body) {
    parked->kept.assign(parked->body->begin(), parked->body->end());
    parked->body = parked->kept;
    parked_bytes_ += parked->kept.size();
  }
  Job& waiting = *parked;
  waiting.ticket = parking_.Park(claims, std::move(parked));
  stats_->parked_commands.Add();
  return true;
}

void Session::HoldPlace(Job& job) {
  if (!job.header.fenced() || job.header.has_ring() ||
      job.kind == QueueKind::kCursor) {
    return;
  }
  job.request.place = rings_->HoldPlace(TimelineId::Global());
}

void Session::OnTakeOver(void* task) {
  Job& blocked = *static_cast<Job*>(task);
  stats_->reliefs.Add();
  if (blocked.ticket == 0) {
    blocked.ticket = parking_.Enter(dispatcher_.ClaimsOf(blocked));
    HoldPlace(blocked);
  }
  // The driver has not heard of what was done before.
  for (size_t queue = 0; queue < queues_.size(); ++queue) {
    rings_->GiveBack(queue, batches_[queue]);
  }
}

}  // namespace nacre::virtio_gpu
