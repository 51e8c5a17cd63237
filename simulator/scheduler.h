#ifndef NACRE_SIMULATOR_SCHEDULER_H_
#define NACRE_SIMULATOR_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "simulator/job.h"

namespace nacre::simulator {

// The drm scheduler above a one-ring GPU: picks jobs and runs them, one at a
// time, on the GPU thread, which it owns.
//
// Jobs of one fence context run in the order of their submission; a job whose
// dependencies are not signalled holds up its context. Of the contexts that
// can go on, the one with the lowest prio number does, the one with the oldest
// job among equals. (Linux 6.8 to 6.12 invert the order of priorities by an
// oversight; this follows the UAPI, where 0 is the highest.)
class Scheduler {
 public:
  // Called on the GPU thread, without locks held. Has to signal the job's fence
  // before it returns or destroys the job.
  using RunJob = std::function<void(std::unique_ptr<Job>)>;

  explicit Scheduler(RunJob run);
  // Waits for the job that runs; the others are given to `run` afterwards, in
  // order and in the caller's thread, to be dropped.
  ~Scheduler();

  // Starts the GPU thread: before that, jobs wait. Once. Errors: of
  // Thread::Start.
  absl::Status Start();

  // Every dependency must be of a job that was submitted before: then some job
  // can always run.
  void Submit(std::unique_ptr<Job> job);

 private:
  struct Queued {
    uint64_t sequence;
    std::unique_ptr<Job> job;
  };
  using Context = std::deque<Queued>;
  // Orders the contexts with jobs: prio, sequence of the first job, context.
  using Rank = std::tuple<uint32_t, uint64_t, uint64_t>;

  void Loop();
  // The next job that can run; null when none can.
  std::unique_ptr<Job> Pick() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static Rank RankOf(uint64_t context, const Queued& first);

  const RunJob run_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Context> contexts_ ABSL_GUARDED_BY(mutex_);
  std::map<Rank, uint64_t> ranked_ ABSL_GUARDED_BY(mutex_);  // To context.
  Thread gpu_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_SCHEDULER_H_
