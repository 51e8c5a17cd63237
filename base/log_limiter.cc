#include "base/log_limiter.h"

#include <algorithm>

#include "glog/logging.h"

namespace nacre {

bool LogLimiter::AllowAt(Clock::time_point now) {
  const auto second = static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch())
          .count());
  uint64_t state = state_.load(std::memory_order_relaxed);
  uint32_t lines = 0;
  uint64_t next = 0;
  do {
    // Of two threads around a second's end the later one counts.
    const uint32_t of = std::max(second, static_cast<uint32_t>(state >> 32));
    lines = of == state >> 32 ? static_cast<uint32_t>(state) : 0;
    if (lines > lines_per_second_) return false;
    next = uint64_t{of} << 32 | (lines + 1);
  } while (
      !state_.compare_exchange_weak(state, next, std::memory_order_relaxed));
  LOG_IF(WARNING, lines == lines_per_second_)
      << "further problems of this second are counted, not logged";
  return lines < lines_per_second_;
}

}  // namespace nacre
