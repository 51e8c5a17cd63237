#include "devices/virtio_gpu/relay.h"

#include <pthread.h>

#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"

namespace nacre::virtio_gpu {

absl::Status Relay::Start() {
  MutexLock lock(mutex_);
  led_ = true;
  RETURN_IF_ERROR(AddThread(/*lead=*/true));
  AddStandby();
  return absl::OkStatus();
}

void Relay::Stop() {
  {
    MutexLock lock(mutex_);
    if (threads_.empty()) return;
    stopping_ = true;
    wanted_.fetch_add(1);
    changed_.SignalAll();
  }
  work_->Wake();
  Thread last;
  {
    MutexLock lock(mutex_);
    while (!threads_.empty()) changed_.Wait(mutex_);
    last = std::move(ended_);
  }
  last.Join();
}

bool Relay::StartWatching() {
  MutexLock lock(mutex_);
  watch_ = true;
  if (!has_standby_) {
    if (lacks_standby_ && ++missed_ == kWatchesATry) AddStandby();
    return false;
  }
  watched_.store(true, std::memory_order_seq_cst);
  changed_.SignalAll();
  return true;
}

void Relay::Run(bool lead, Place place) {
  const auto stand_by = [this] {
    pthread_setname_np(pthread_self(), "gpu-standby");
    return StandBy();
  };
  while (lead || stand_by()) {
    pthread_setname_np(pthread_self(), "gpu-device");
    lead = false;
    work_->Lead();
    Pass();
  }
  EndThread(place);
}

bool Relay::StandBy() {
  {
    MutexLock lock(mutex_);
    if (has_standby_) return false;
    has_standby_ = true;
    watched_ = watch_;
    bool is_taken = false;
    bool is_free = false;
    int idle_ticks = 0;
    uint64_t wakes = wakes_.load(std::memory_order_relaxed);
    while (!stopping_ && !is_taken && !is_free) {
      if (!led_ && wanted_ == 0) {
        is_free = true;
      } else if (!watch_) {
        idle_ticks = 0;
        changed_.Wait(mutex_);
      } else if (WatchForATick()) {
        is_taken = true;
      } else {
        const uint64_t last_wakes = std::exchange(wakes, wakes_.load());
        idle_ticks = awake_ || wakes != last_wakes ? 0 : idle_ticks + 1;
        if (idle_ticks >= kIdleTicks) {
          watched_.store(false, std::memory_order_seq_cst);
          // It may have woken and seen itself watched.
          watch_ = awake_.load(std::memory_order_seq_cst);
          watched_ = watch_;
        }
      }
    }
    has_standby_ = false;
    watched_ = false;
    if (!is_taken && !is_free) return false;
    led_ = true;
    // Another one to watch this one; unless this one is to pass it on at once.
    if (is_taken && wanted_ == 0 && threads_.size() < kMaxThreads) {
      AddStandby();
    }
    if (is_free) return true;
  }
  work_->OnTakeOver(task_);
  return true;
}

void Relay::Regain(void* task) {
  bool is_taken = false;
  wanted_.fetch_add(1);
  work_->Wake();
  {
    MutexLock lock(mutex_);
    while (led_ && !is_taken) is_taken = WatchForATick();
    led_ = true;
    wanted_.fetch_sub(1);
  }
  awake_.store(true, std::memory_order_seq_cst);
  if (is_taken) work_->OnTakeOver(task_);
  task_ = task;
}

bool Relay::WatchForATick() {
  uint64_t call = call_.load(std::memory_order_relaxed);
  const auto tick = std::chrono::steady_clock::now() + kTick;
  // Until a change that matters to somebody, or the tick.
  while (changed_.WaitUntil(mutex_, tick)) {
    if (stopping_ || !led_) return false;
  }
  // Acquire: see Enter.
  return call != 0 && led_ &&
         call_.compare_exchange_strong(call, 0, std::memory_order_acq_rel);
}

void Relay::Pass() {
  MutexLock lock(mutex_);
  led_ = false;
  changed_.SignalAll();
}

absl::Status Relay::AddThread(bool lead) {
  threads_.emplace_back();
  const Place place = std::prev(threads_.end());
  absl::StatusOr<Thread> thread =
      Thread::Start("gpu-device", [this, lead, place] { Run(lead, place); });
  if (!thread.ok()) {
    threads_.erase(place);
    return thread.status();
  }
  *place = *std::move(thread);
  return absl::OkStatus();
}

void Relay::AddStandby() {
  const absl::Status added = AddThread(/*lead=*/false);
  lacks_standby_ = !added.ok();
  missed_ = 0;
  LOG_IF_EVERY_N(WARNING, lacks_standby_, 1000) << added;
}

void Relay::EndThread(Place place) {
  Thread previous;
  {
    MutexLock lock(mutex_);
    previous = std::exchange(ended_, std::move(*place));
    threads_.erase(place);
    changed_.SignalAll();
  }
  if (previous.joinable()) previous.Join();
}

}  // namespace nacre::virtio_gpu
