#ifndef NACRE_DEVICES_VIRTIO_GPU_RELAY_H_
#define NACRE_DEVICES_VIRTIO_GPU_RELAY_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace nacre::virtio_gpu {

// Threads of which one at a time leads: it alone has the right to what they
// share. It keeps that right for good, without hand-offs, unless it is in a
// call that blocks: then another one takes the lead (as Go's scheduler takes
// the processor from a thread in a system call), and the one that was in the
// call gets the lead back after it, at the next moment that suits.
//
// Normally there are two threads: the leader, and a standby that looks every
// kTick, once the leader has made a call and while it is awake, whether it is
// in the same one as before. A call costs the leader two uncontended atomic
// operations. Where calls block, there are as many threads more, which end
// afterwards.
class Relay {
 public:
  // How long a call may take before others go on without it: between one tick
  // and two.
  static constexpr std::chrono::milliseconds kTick{2};
  // A leader that does not wake for so many ticks is no longer watched.
  static constexpr int kIdleTicks = 16;
  // Attack stopped: threads, by calls that block. Once all are in such calls,
  // the others wait for the first to return.
  static constexpr size_t kMaxThreads = 8;
  // Where the host gave no standby, every so many times that a leader wants to
  // be watched another try is made, which is a system call.
  static constexpr int kWatchesATry = 64;

  // What is to be led. Called without locks.
  class Work {
   public:
    virtual ~Work() = default;
    // Leads, on one of several threads, until should_pass(); soon after that.
    virtual void Lead() = 0;
    // The calling thread has the lead from a thread that is in a call, which
    // had set `task`.
    virtual void OnTakeOver(void* task) = 0;
    // should_pass() may have become true; for a leader that sleeps. Called by
    // other threads.
    virtual void Wake() = 0;
  };

  // `work` outlives the relay.
  explicit Relay(Work* work) : work_(work) {}
  // After Stop.
  ~Relay() = default;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // ResourceExhausted where the host gives no thread. (Later ones are done
  // without until it gives one: a call that blocks is not relieved meanwhile.)
  absl::Status Start();
  // Returns when all threads have ended, which calls that block delay.
  void Stop();

  // For the leader, from Work::Lead.
  bool should_pass() const {
    return wanted_.load(std::memory_order_relaxed) != 0;
  }
  // What it is doing, for OnTakeOver; kept over calls.
  void set_task(void* task) { task_ = task; }
  // It goes to sleep, where nothing can block it; it has woken.
  void OnSleep() { awake_.store(false, std::memory_order_relaxed); }
  void OnWake() {
    wakes_.store(wakes_.load(std::memory_order_relaxed) + 1,
                 std::memory_order_relaxed);
    awake_.store(true, std::memory_order_seq_cst);
  }
  // As a call does: has itself watched until it goes to sleep. Wakes the
  // standby if that is not watching anyway, else costs nothing. False where
  // there is none: a call that blocks now is not relieved.
  bool Watch() {
    return ABSL_PREDICT_TRUE(watched_.load(std::memory_order_seq_cst)) ||
           StartWatching();
  }

  // Makes a call that may block. Meanwhile another thread may lead; afterwards
  // the calling one leads again.
  template <typename Function>
  auto Call(Function&& function) {
    Watch();
    const Scope scope(*this);
    return function();
  }

 private:
  class Scope {
   public:
    explicit Scope(Relay& relay)
        : relay_(relay), task_(relay.task_), call_(relay.Enter()) {}
    ~Scope() {
      if (!relay_.Leave(call_)) relay_.Regain(task_);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Relay& relay_;
    void* const task_;
    const uint64_t call_;
  };
  // The thread that runs, in threads_.
  using Place = std::list<Thread>::iterator;

  uint64_t Enter() {
    const uint64_t call = ++last_call_;
    // Release: what the leader did is seen by who takes over.
    call_.store(call, std::memory_order_release);
    return call;
  }
  bool Leave(uint64_t call) {
    return call_.compare_exchange_strong(call, 0, std::memory_order_acq_rel);
  }
  void Regain(void* task);

  void Run(bool lead, Place place);
  bool StartWatching();
  // Waits until the calling thread has to lead; false: there is no need of it.
  bool StandBy();
  // Waits for a tick or a change. True where the leader was in the same call
  // all the time: the lead is the calling thread's now.
  bool WatchForATick() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pass();
  absl::Status AddThread(bool lead) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // If the host gives one.
  void AddStandby() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndThread(Place place);

  Work* const work_;

  // The leader's call, or 0. Numbers are never used again.
  std::atomic<uint64_t> call_{0};
  // Threads that are back from a call and want to lead; Stop is one, too.
  std::atomic<int> wanted_{0};
  std::atomic<bool> awake_{true};   // The leader.
  std::atomic<uint64_t> wakes_{0};  // Of leaders.
  // There is a standby, and it ticks or is about to.
  std::atomic<bool> watched_{false};

  // The leader's.
  uint64_t last_call_ = 0;
  void* task_ = nullptr;

  Mutex mutex_;
  CondVar changed_;
  bool led_ ABSL_GUARDED_BY(mutex_) = false;  // Somebody leads.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_standby_ ABSL_GUARDED_BY(mutex_) = false;
  // The last try to add a standby failed; times since that it was missed.
  bool lacks_standby_ ABSL_GUARDED_BY(mutex_) = false;
  int missed_ ABSL_GUARDED_BY(mutex_) = 0;
  // A standby is to tick.
  bool watch_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Thread> threads_ ABSL_GUARDED_BY(mutex_);
  // The last that ended, joined by the next or by Stop.
  Thread ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::virtio_gpu

#endif  // NACRE_DEVICES_VIRTIO_GPU_RELAY_H_
