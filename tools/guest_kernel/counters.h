#ifndef NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_
#define NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nacre::guest_kernel {

// What the guest's half of a virtio-gpu did since it was made. Any thread adds,
// any thread reads; nothing is ordered by it.
struct DriverCounters {
  using Count = std::atomic<uint64_t>;

  Count commands = 0;          // Queued, of every kind.
  Count submissions = 0;       // SUBMIT_3D among them.
  Count kicks = 0;             // Notifications sent: in a VM, an exit each.
  Count kicks_suppressed = 0;  // That the device did not ask for (EVENT_IDX).
  Count interrupts = 0;        // Taken by the guest's CPU.
  Count reaped = 0;            // Responses, of all interrupts.
  Count reaped_most = 0;       // By one interrupt.
  Count error_responses = 0;   // VIRTIO_GPU_RESP_ERR_*.
  Count round_trips = 0;       // A guest thread slept for a response.
  Count queue_full_waits = 0;  // A guest thread slept for a place in the ring.
  Count fences = 0;            // Created.
  Count fence_waits = 0;       // A guest thread slept for a fence.
  Count wake_ups = 0;          // Of guest threads, from any of these sleeps.
  Count lost_fences = 0;       // Responses with a fence that nobody waits for.

  // By name, in the order above.
  std::vector<std::pair<std::string, uint64_t>> Named() const;
};

// The named counts as members of a JSON object, numbers as protobuf's JSON
// writes those of 64 bits: {"commands": "12", ...}.
std::string CountersJson(const DriverCounters& counters);

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_
