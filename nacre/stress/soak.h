#ifndef NACRE_NACRE_STRESS_SOAK_H_
#define NACRE_NACRE_STRESS_SOAK_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/testing/holdings.h"

namespace nacre {

// What a process has of the host.
struct SoakHoldings {
  Holdings held;              // Mappings of files, also memfds: buffers, RAM.
  size_t all_mappings = 0;    // The heap's own number depends on luck.
  uint64_t resident_kib = 0;  // But for memory that is shared.
  uint64_t heap_bytes = 0;    // In use; 0 under sanitizers, and of others.
};

// Of this process and, where the device is in a jail, of the GPU's.
struct SoakProcesses {
  SoakHoldings own;
  std::optional<SoakHoldings> gpu;
};

// A guest's life in fast motion: programs that make contexts and buffers, map,
// submit, wait, share and die (see Programs), several at once, and resets of
// the device under them, over real virtqueues and a simulated GPU.
struct SoakOptions {
  // The device is in a process of its own, as nacre has it by default, rather
  // than in this one. The caller's main() is nacre's then (gpu_process.h).
  bool jail = false;
  // Whichever is first.
  uint64_t contexts = 1'000'000;
  std::chrono::seconds duration{3600};
  // Contexts before `before` is measured, in which the process gets its size.
  uint64_t warm_up_contexts = 2000;
  uint32_t programs = 4;  // At the same time.
  uint64_t calls_between_resets = 50'000;
};

struct SoakReport {
  uint64_t contexts = 0;
  uint64_t blobs = 0;
  uint64_t submissions = 0;
  uint64_t fences = 0;
  uint64_t answers = 0;
  uint64_t resets = 0;
  std::chrono::seconds time{0};
  // While there is the device, but nothing of a guest: after the warm-up, and
  // at the end (now, for a report of progress).
  SoakProcesses before;
  SoakProcesses after;
  // Contexts, resources, mapped bytes, pending fences, open files of the GPU,
  // its buffers: what the device and the GPU count as left at the end.
  uint64_t left = 0;
};

// `progress` is called now and then, perhaps never.
SoakReport Soak(const SoakOptions& options,
                const std::function<void(const SoakReport&)>& progress);

}  // namespace nacre

#endif  // NACRE_NACRE_STRESS_SOAK_H_
