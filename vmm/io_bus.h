#ifndef NACRE_VMM_IO_BUS_H_
#define NACRE_VMM_IO_BUS_H_

#include <cstdint>
#include <map>
#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "vmm/io_device.h"

namespace nacre::vmm {

// One I/O address space of a machine: which device answers which range.
//
// Reads and writes come from vCPUs (guest-controlled addresses and sizes); an
// access that no device covers whole, or whose size is not 1, 2, 4 or 8, reads
// as all ones and writes nothing, as on a bus without an answer, and is
// counted. Devices are called without a lock held, so a device may insert and
// remove ranges, its own among them, from within an access.
//
// Thread-safe.
class IoBus {
 public:
  // From now on `device` answers [base, base + size). It outlives every vCPU
  // run: an access that began before Remove may still be inside it. Errors:
  // InvalidArgument for an empty or wrapping range, AlreadyExists where it
  // overlaps another.
  absl::Status Insert(uint64_t base, uint64_t size, IoDevice* device);
  // Undoes the Insert at `base`. Errors: NotFound.
  absl::Status Remove(uint64_t base);

  void Read(uint64_t address, std::span<uint8_t> data);
  void Write(uint64_t address, std::span<const uint8_t> data);

  // Accesses that nothing answered.
  uint64_t unmatched_reads() const;
  uint64_t unmatched_writes() const;

 private:
  struct Range {
    uint64_t size;
    IoDevice* device;
  };
  struct Target {
    IoDevice* device = nullptr;
    uint64_t offset = 0;
  };

  // Device null where nothing answers.
  Target Find(uint64_t address, uint64_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::map<uint64_t, Range> ranges_ ABSL_GUARDED_BY(mutex_);  // By base.
  uint64_t unmatched_reads_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t unmatched_writes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_IO_BUS_H_
