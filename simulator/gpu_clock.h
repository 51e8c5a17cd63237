#ifndef NACRE_SIMULATOR_GPU_CLOCK_H_
#define NACRE_SIMULATOR_GPU_CLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace nacre::simulator {

// How long the GPU takes, for programs that are to be measured as if it were a
// real one. The default, no time at all, means as fast as the simulation goes.
// What the parts say is added up.
struct TimeModel {
  // Of each submission, whatever it does.
  std::chrono::microseconds submission{0};
  // Memory that is read and written, command streams included and GMEM not:
  // bytes a microsecond, that is megabytes a second. 0: takes no time.
  uint64_t bytes_per_microsecond = 0;
  // Pixels that the engines write, in GMEM too, each sample by itself:
  // megapixels a second. 0: they take no time.
  uint64_t pixels_per_microsecond = 0;
};

// The time on the modelled GPU. Work moves it forward at once; where somebody
// could see how late it is (a fence, an event's write, a timestamp, the end of
// a submission) the GPU thread sleeps until then, if it is not then already.
// Deadlines are absolute: what a sleep takes too long is not added to the next,
// so that a queue of submissions runs at the rate of the model. What the
// simulation itself takes too long is caught up on in the same way.
//
// For the GPU thread alone, but for `stop`.
class GpuClock {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    TimeModel model = {};
    // A submission of more modelled time counts as hung when this has passed.
    std::chrono::milliseconds limit{500};
    // Ends sleeps once true; may be null.
    const std::atomic<bool>* stop = nullptr;
  };

  // A clock without a model: costs nothing and never sleeps.
  GpuClock() = default;
  explicit GpuClock(const Options& options);

  // Whether there is a model.
  bool enabled() const { return enabled_; }

  // A submission that was ready to run at `ready` begins: then, or when the one
  // before it has ended, if that is later.
  void StartSubmission(Clock::time_point ready);
  // The GPU has moved `bytes` and written `pixels`. False when the submission
  // is beyond the limit.
  bool Spend(uint64_t bytes, uint64_t pixels);
  // The modelled time; without a model the time.
  Clock::time_point Now() const { return enabled_ ? now_ : Clock::now(); }
  // Returns when the modelled time has come, or `stop` is true.
  void CatchUp();
  // The GPU has waited for something outside: it is now, or later.
  void Resume();

 private:
  Options options_;
  bool enabled_ = false;
  // Bytes and pixels whose time is less than now_ can count.
  uint64_t bytes_left_ = 0;
  uint64_t pixels_left_ = 0;
  Clock::time_point end_of_limit_;
  Clock::time_point now_;
};

// Sleeps until `deadline`, or until `stop`, which may be null, is true.
void SleepUntil(GpuClock::Clock::time_point deadline,
                const std::atomic<bool>* stop);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_GPU_CLOCK_H_
