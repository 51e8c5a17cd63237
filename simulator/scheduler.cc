#include "simulator/scheduler.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace nacre::simulator {
namespace {

bool Ready(const Job& job) {
  return std::all_of(
      job.dependencies.begin(), job.dependencies.end(),
      [](const std::shared_ptr<Fence>& fence) { return fence->signalled(); });
}

}  // namespace

Scheduler::Scheduler(RunJob run) : run_(std::move(run)) {}

absl::Status Scheduler::Start() {
  ASSIGN_OR_RETURN(gpu_, Thread::Start("simulated-gpu", [this] { Loop(); }));
  return absl::OkStatus();
}

Scheduler::~Scheduler() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.Signal();
  if (gpu_.joinable()) gpu_.Join();
  for (;;) {
    std::unique_ptr<Job> job;
    {
      MutexLock lock(mutex_);
      job = Pick();
    }
    if (job == nullptr) break;
    run_(std::move(job));
  }
}

void Scheduler::Submit(std::unique_ptr<Job> job) {
  const uint64_t context = job->fence->context();
  {
    MutexLock lock(mutex_);
    Context& queue = contexts_[context];
    queue.push_back({next_sequence_++, std::move(job)});
    if (queue.size() > 1) return;  // Not its context's turn before.
    ranked_.emplace(RankOf(context, queue.front()), context);
  }
  wake_.Signal();
}

void Scheduler::Loop() {
  // A GPU that sleeps for as long as its work would take wakes up in time.
  prctl(PR_SET_TIMERSLACK, 1);
  for (;;) {
    std::unique_ptr<Job> job;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && (job = Pick()) == nullptr) wake_.Wait(mutex_);
      if (stopping_ && job == nullptr) return;
    }
    run_(std::move(job));
  }
}

std::unique_ptr<Job> Scheduler::Pick() {
  for (auto ranked = ranked_.begin(); ranked != ranked_.end(); ++ranked) {
    const uint64_t context = ranked->second;
    const auto entry = contexts_.find(context);
    Context& queue = entry->second;
    if (!Ready(*queue.front().job)) continue;
    std::unique_ptr<Job> job = std::move(queue.front().job);
    queue.pop_front();
    ranked_.erase(ranked);
    if (queue.empty()) {
      contexts_.erase(entry);
    } else {
      ranked_.emplace(RankOf(context, queue.front()), context);
    }
    return job;
  }
  return nullptr;
}

Scheduler::Rank Scheduler::RankOf(uint64_t context, const Queued& first) {
  return {first.job->queue->prio(), first.sequence, context};
}

}  // namespace nacre::simulator
