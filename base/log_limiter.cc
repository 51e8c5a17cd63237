#include "base/log_limiter.h"

#include "glog/logging.h"

namespace nacre {

bool LogLimiter::Allow() {
  if (lines_.load(std::memory_order_relaxed) > max_lines_) return false;
  const uint32_t line = lines_.fetch_add(1, std::memory_order_relaxed);
  LOG_IF(WARNING, line == max_lines_)
      << "further problems of this kind are counted, not logged";
  return line < max_lines_;
}

}  // namespace nacre
