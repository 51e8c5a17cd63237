#ifndef NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_
#define NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "devices/virtio_gpu/msm/wire.h"

namespace nacre::msm {

// Counts up. Written by the device thread alone, which is why adding needs no
// locked instruction; read from any thread.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value() + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

// How much of something there is and the most there was. Threads as Counter.
class Gauge {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value() + n, std::memory_order_relaxed);
    if (value() > peak()) peak_.store(value(), std::memory_order_relaxed);
  }
  void Subtract(uint64_t n = 1) {
    value_.store(value() - n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
  std::atomic<uint64_t> peak_ = 0;
};

// What all msm contexts of a device did, for the VMM's summary and control
// socket. Read from any thread, each field by itself.
struct Counters {
  // By msm_ccmd; [0] counts commands of no known kind.
  std::array<Counter, MSM_CCMD_LAST> ccmds;
  Counter malformed;       // Ccmds or streams that break the wire format.
  Counter refused_ioctls;  // IOCTL_SIMPLE with a code we do not pass on.
  Counter async_errors;    // Errors told to a guest by msm_shmem::async_error.
  Counter submits;         // GEM_SUBMITs that the driver accepted.
  Counter submit_bos;      // Buffer entries in them.
  Counter upload_bytes;
  Counter objects_created;
  Counter objects_imported;
  Counter contexts_created;

  Gauge contexts;
  Gauge files;    // Open render nodes: contexts, or blobs that outlive one.
  Gauge objects;  // GEM handles.
  Gauge object_bytes;  // Size of created objects; imported ones are no new
                       // memory.
  Gauge submitqueues;
  Gauge control_memories;  // Blobs of msm_shmem.
};

}  // namespace nacre::msm

#endif  // NACRE_DEVICES_VIRTIO_GPU_MSM_COUNTERS_H_
