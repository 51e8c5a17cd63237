#ifndef NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_
#define NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/counter.h"

namespace nacre::guest_kernel {

// What the guest's half of a virtio-gpu did since it was made.
struct DriverCounters {
  Counter commands;          // Queued, of every kind.
  Counter submissions;       // SUBMIT_3D among them.
  Counter kicks;             // Notifications sent: in a VM, an exit each.
  Counter kicks_suppressed;  // Not sent, as the device did not ask (EVENT_IDX).
  Counter interrupts;        // Taken by the guest's CPU.
  Counter reaped;            // Responses, of all interrupts.
  Gauge reaped_at_once;      // By one interrupt.
  Counter error_responses;   // VIRTIO_GPU_RESP_ERR_*.
  SharedCounter round_trips;  // A guest thread slept for a response.
  Counter queue_full_waits;   // A guest thread slept for a place in the ring.
  Counter fences;             // Created.
  SharedCounter fence_waits;  // A guest thread slept for a fence.
  SharedCounter wake_ups;     // Of guest threads, from any of these sleeps.

  // By name, in the order above.
  std::vector<std::pair<std::string, uint64_t>> Named() const;
};

// The named counts as a JSON object, numbers as protobuf's JSON writes those of
// 64 bits: {"commands": "12", ...}.
std::string CountersJson(const DriverCounters& counters);

}  // namespace nacre::guest_kernel

#endif  // NACRE_TOOLS_GUEST_KERNEL_COUNTERS_H_
