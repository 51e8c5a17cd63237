#ifndef NACRE_BASE_LOG_LIMITER_H_
#define NACRE_BASE_LOG_LIMITER_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace nacre {

// Bounds the log lines that a guest can cause: of each second the first
// `lines_per_second` pass, then one that says that no more follow; with 0 none.
//
//   if (limiter_.Allow()) LOG(WARNING) << status;
//
// Thread-safe.
class LogLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LogLimiter(uint32_t lines_per_second)
      : lines_per_second_(lines_per_second) {}

  // Whether to log the next line.
  bool Allow() { return lines_per_second_ != 0 && AllowAt(Clock::now()); }
  // As Allow, at that time.
  bool AllowAt(Clock::time_point now);

 private:
  const uint32_t lines_per_second_;
  // The second, in the upper half, and how many lines were in it: stops
  // counting behind lines_per_second_.
  std::atomic<uint64_t> state_{0};
};

}  // namespace nacre

#endif  // NACRE_BASE_LOG_LIMITER_H_
