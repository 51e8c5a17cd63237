#include "guest/programs/bench/usage.h"

#include <dirent.h>
#include <time.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "guest/programs/report.h"

namespace nacre::guest {
namespace {

// The CPU time of a thread of this process. Its clock's id is part of Linux's
// ABI (the macros of kernel/time/posix-cpu-timers), and unlike /proc it counts
// up to now, not to the last tick.
uint64_t CpuNanoseconds(int thread) {
  constexpr uint32_t kPerThreadScheduled = 6;
  const auto clock = static_cast<clockid_t>(
      ~static_cast<uint32_t>(thread) << 3 | kPerThreadScheduled);
  timespec time = {};
  // One that has just ended has none.
  if (clock_gettime(clock, &time) != 0) return 0;
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(time.tv_nsec);
}

uint64_t Sleeps(const std::string& folder) {
  std::ifstream status(folder + "/status");
  const std::string wanted = "voluntary_ctxt_switches:";
  for (std::string word; status >> word;) {
    uint64_t sleeps = 0;
    if (word == wanted && status >> sleeps) return sleeps;
  }
  return 0;
}

std::map<std::string, ThreadUsage> Threads() {
  const std::string tasks = "/proc/self/task";
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(tasks.c_str()),
                                                   closedir);
  if (folder == nullptr) Fail("cannot read %s", tasks.c_str());
  std::map<std::string, ThreadUsage> threads;
  while (const dirent* entry = readdir(folder.get())) {
    if (entry->d_name[0] == '.') continue;
    const std::string thread = tasks + "/" + entry->d_name;
    std::string name;
    std::getline(std::ifstream(thread + "/comm"), name);
    ThreadUsage& usage = threads[name];
    ++usage.threads;
    usage.cpu_ns += CpuNanoseconds(std::atoi(entry->d_name));
    usage.sleeps += Sleeps(thread);
  }
  return threads;
}

}  // namespace

Usage::Usage() : before_(Threads()), start_(std::chrono::steady_clock::now()) {}

void Usage::Print(const char* program, uint64_t frames,
                  uint64_t submits) const {
  const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::steady_clock::now() - start_);
  std::printf("{\"program\": \"%s\", \"frames\": %" PRIu64
              ", \"submits\": %" PRIu64 ", \"wall_ns\": %" PRIu64
              ", \"threads\": {",
              program, frames, submits, static_cast<uint64_t>(wall.count()));
  const char* separator = "";
  for (const auto& [name, now] : Threads()) {
    const auto found = before_.find(name);
    const ThreadUsage before =
        found != before_.end() ? found->second : ThreadUsage();
    std::printf("%s\"%s\": {\"threads\": %u, \"cpu_ns\": %" PRIu64
                ", \"sleeps\": %" PRIu64 "}",
                separator, name.c_str(), now.threads,
                now.cpu_ns - before.cpu_ns, now.sleeps - before.sleeps);
    separator = ", ";
  }
  std::printf("}}\n");
  std::fflush(stdout);
}

}  // namespace nacre::guest
