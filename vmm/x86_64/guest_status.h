#ifndef NACRE_VMM_X86_64_GUEST_STATUS_H_
#define NACRE_VMM_X86_64_GUEST_STATUS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "vmm/io_device.h"

namespace nacre::vmm::x86_64 {

// A byte-wide port through which a program in the guest reports how it went;
// the last byte counts. Reads back that byte, or zero before there is one.
class GuestStatusDevice final : public IoDevice {
 public:
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  std::optional<uint8_t> status() const;

 private:
  mutable Mutex mutex_;
  std::optional<uint8_t> status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_GUEST_STATUS_H_
