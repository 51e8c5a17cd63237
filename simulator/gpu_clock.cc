#include "simulator/gpu_clock.h"

#include <time.h>

#include <algorithm>

namespace nacre::simulator {
namespace {

constexpr uint64_t kNanosecondsPerMicrosecond = 1000;

bool Stopped(const std::atomic<bool>* stop) {
  return stop != nullptr && stop->load(std::memory_order_relaxed);
}

// How long `amount` takes at so many a microsecond, if anything; what is left
// over counts the next time. Below 2^54, of which a submission's work limit
// takes care.
std::chrono::nanoseconds TimeOf(uint64_t amount, uint64_t rate,
                                uint64_t& left_over) {
  if (rate == 0) return std::chrono::nanoseconds(0);
  const uint64_t scaled = amount * kNanosecondsPerMicrosecond + left_over;
  left_over = scaled % rate;
  return std::chrono::nanoseconds(scaled / rate);
}

}  // namespace

GpuClock::GpuClock(const Options& options)
    : options_(options),
      enabled_(options.model.submission.count() > 0 ||
               options.model.bytes_per_microsecond > 0 ||
               options.model.pixels_per_microsecond > 0) {}

void GpuClock::StartSubmission(Clock::time_point ready) {
  if (!enabled_) return;
  now_ = std::max(now_, ready);
  end_of_limit_ = now_ + options_.limit;
  now_ += options_.model.submission;
}

bool GpuClock::Spend(uint64_t bytes, uint64_t pixels) {
  if (!enabled_) return true;
  const TimeModel& model = options_.model;
  now_ += TimeOf(bytes, model.bytes_per_microsecond, bytes_left_);
  now_ += TimeOf(pixels, model.pixels_per_microsecond, pixels_left_);
  if (now_ <= end_of_limit_) return true;
  now_ = end_of_limit_;
  return false;
}

void GpuClock::CatchUp() {
  if (enabled_) SleepUntil(now_, options_.stop);
}

void GpuClock::Resume() {
  if (enabled_) now_ = std::max(now_, Clock::now());
}

void SleepUntil(GpuClock::Clock::time_point deadline,
                const std::atomic<bool>* stop) {
  // How often `stop` is looked at.
  constexpr std::chrono::milliseconds kLongestSleep{10};
  for (;;) {
    const GpuClock::Clock::time_point now = GpuClock::Clock::now();
    if (now >= deadline || Stopped(stop)) return;
    const auto until = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::min(deadline, now + kLongestSleep).time_since_epoch());
    constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
    const timespec time = {.tv_sec = until.count() / kNanosecondsPerSecond,
                           .tv_nsec = until.count() % kNanosecondsPerSecond};
    // steady_clock is CLOCK_MONOTONIC.
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
  }
}

}  // namespace nacre::simulator
