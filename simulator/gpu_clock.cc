#include "simulator/gpu_clock.h"

#include <time.h>

#include <algorithm>

namespace nacre::simulator {
namespace {

constexpr uint64_t kNanosecondsPerMicrosecond = 1000;

bool Stopped(const std::atomic<bool>* stop) {
  return stop != nullptr && stop->load(std::memory_order_relaxed);
}

}  // namespace

GpuClock::GpuClock(const Options& options)
    : options_(options),
      enabled_(options.model.submission.count() > 0 ||
               options.model.bytes_per_microsecond > 0) {}

void GpuClock::StartSubmission(Clock::time_point ready) {
  if (!enabled_) return;
  now_ = std::max(now_, ready);
  end_of_limit_ = now_ + options_.limit;
  now_ += options_.model.submission;
}

bool GpuClock::Spend(uint64_t bytes) {
  const uint64_t rate = options_.model.bytes_per_microsecond;
  if (rate == 0) return true;
  // Below 2^54 bytes, of which a submission's work limit takes care.
  const uint64_t scaled = bytes * kNanosecondsPerMicrosecond + remainder_;
  now_ += std::chrono::nanoseconds(scaled / rate);
  remainder_ = scaled % rate;
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
