// What a part of a program's life cost: time, and for each of its threads CPU
// time and how often it slept.

#ifndef NACRE_GUEST_PROGRAMS_BENCH_USAGE_H_
#define NACRE_GUEST_PROGRAMS_BENCH_USAGE_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace nacre::guest {

// Of all threads with one name.
struct ThreadUsage {
  uint32_t threads = 0;
  uint64_t cpu_ns = 0;
  // Times that one went to sleep, and so had to be woken up: voluntary context
  // switches.
  uint64_t sleeps = 0;
};

// From its construction to Print. Threads that begin meanwhile count from their
// beginning; those that end do not count, so keep those that matter. Threads
// under a preloaded device (tools/preload) are this process's, too.
class Usage {
 public:
  Usage();

  // One line of JSON: {"program": "...", "frames": N, "submits": N, "wall_ns":
  // N, "threads": {NAME: {"threads": N, "cpu_ns": N, "sleeps": N}, ...}}.
  void Print(const char* program, uint64_t frames, uint64_t submits) const;

 private:
  std::map<std::string, ThreadUsage> before_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_BENCH_USAGE_H_
