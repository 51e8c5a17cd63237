// Measures what it costs this machine to wake a thread that sleeps, without any
// GPU: kicks, fences and interrupts are such wake-ups, so that much of what
// tools/bench.sh finds is a multiple of it.
//
// One thread writes to an eventfd every 300 us, another reads it. Prints a line
// of JSON, {"latency_ns": N, "woken_cpu_ns": N, "waker_cpu_ns": N}: from the
// write to the read's end, the median; and the CPU time of one write and of one
// read with the sleep before it, on average. Exits with 0, or 1 after a line
// that says what failed, or 2 for a wrong flag.

#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "guest/programs/report.h"

namespace nacre::guest {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr uint64_t kPauseNs = 300'000;

uint64_t Now(clockid_t clock) {
  timespec time = {};
  if (clock_gettime(clock, &time) != 0) {
    Fail("clock_gettime: %s", std::strerror(errno));
  }
  return static_cast<uint64_t>(time.tv_sec) * kNanosecondsPerSecond +
         static_cast<uint64_t>(time.tv_nsec);
}

void SleepUntil(uint64_t deadline) {
  const timespec time = {
      .tv_sec = static_cast<time_t>(deadline / kNanosecondsPerSecond),
      .tv_nsec = static_cast<int64_t>(deadline % kNanosecondsPerSecond)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

int Main(int argc, char** argv) {
  uint32_t count = 1000;
  const Flag flags[] = {{"count", &count, 1, 1000000},
                        {nullptr, nullptr, 0, 0}};
  ParseFlags(argc, argv, flags);
  const int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) Fail("eventfd: %s", std::strerror(errno));

  std::atomic<uint64_t> written{0};
  std::atomic<uint64_t> woken_cpu{0};
  std::vector<uint64_t> latencies;
  std::thread woken([&] {
    for (uint32_t i = 0; i < count; ++i) {
      uint64_t value = 0;
      if (read(fd, &value, sizeof(value)) != sizeof(value)) {
        Fail("read of an eventfd: %s", std::strerror(errno));
      }
      latencies.push_back(Now(CLOCK_MONOTONIC) - written.load());
    }
    woken_cpu = Now(CLOCK_THREAD_CPUTIME_ID);
  });
  uint64_t waker_cpu = 0;
  uint64_t next = Now(CLOCK_MONOTONIC);
  for (uint32_t i = 0; i < count; ++i) {
    next = std::max(next, Now(CLOCK_MONOTONIC)) + kPauseNs;
    SleepUntil(next);
    const uint64_t before = Now(CLOCK_THREAD_CPUTIME_ID);
    written = Now(CLOCK_MONOTONIC);
    const uint64_t one = 1;
    if (write(fd, &one, sizeof(one)) != sizeof(one)) {
      Fail("write to an eventfd: %s", std::strerror(errno));
    }
    waker_cpu += Now(CLOCK_THREAD_CPUTIME_ID) - before;
  }
  woken.join();
  close(fd);
  std::nth_element(latencies.begin(), latencies.begin() + count / 2,
                   latencies.end());
  std::printf("{\"latency_ns\": %" PRIu64 ", \"woken_cpu_ns\": %" PRIu64
              ", \"waker_cpu_ns\": %" PRIu64 "}\n",
              latencies[count / 2], woken_cpu / count, waker_cpu / count);
  return 0;
}

}  // namespace
}  // namespace nacre::guest

int main(int argc, char** argv) { return nacre::guest::Main(argc, argv); }
