#ifndef NACRE_BASE_LOG_LIMITER_H_
#define NACRE_BASE_LOG_LIMITER_H_

#include <atomic>
#include <cstdint>

namespace nacre {

// Bounds the log lines that a guest can cause: the first `max_lines` pass, then
// one that says that no more follow.
//
//   if (limiter_.Allow()) LOG(WARNING) << status;
//
// Thread-safe.
class LogLimiter {
 public:
  explicit LogLimiter(uint32_t max_lines) : max_lines_(max_lines) {}

  // Whether to log the next line.
  bool Allow();

 private:
  const uint32_t max_lines_;
  std::atomic<uint32_t> lines_{0};  // Stops counting behind max_lines_.
};

}  // namespace nacre

#endif  // NACRE_BASE_LOG_LIMITER_H_
