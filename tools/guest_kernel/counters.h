#ifndef NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_
#define NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nacre::guest_kernel {

// A number that any thread adds to and reads; nothing is ordered by it.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  // For adders that a lock keeps apart: no locked instruction.
  void AddAlone(uint64_t n = 1) { Set(value() + n); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What the guest's half of a virtio-gpu did since it was made.
struct DriverCounters {
  Counter commands;          // Queued, of every kind.
  Counter submissions;       // SUBMIT_3D among them.
  Counter kicks;             // Notifications sent: in a VM, an exit each.
  Counter kicks_suppressed;  // Not sent, as the device did not ask (EVENT_IDX).
  Counter interrupts;        // Taken by the guest's CPU.
  Counter reaped;            // Responses, of all interrupts.
  Counter reaped_most;       // By one interrupt.
  Counter error_responses;   // VIRTIO_GPU_RESP_ERR_*.
  Counter round_trips;       // A guest thread slept for a response.
  Counter queue_full_waits;  // A guest thread slept for a place in the ring.
  Counter fences;            // Created.
  Counter fence_waits;       // A guest thread slept for a fence.
  Counter wake_ups;          // Of guest threads, from any of these sleeps.

  // By name, in the order above.
  std::vector<std::pair<std::string, uint64_t>> Named() const;
};

// The named counts as a JSON object, numbers as protobuf's JSON writes those of
// 64 bits: {"commands": "12", ...}.
std::string CountersJson(const DriverCounters& counters);

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_
