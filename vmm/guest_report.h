#ifndef NACRE_VMM_GUEST_REPORT_H_
#define NACRE_VMM_GUEST_REPORT_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "vmm/io_device.h"

namespace nacre::vmm {

// Two byte-wide ports between a program in the guest and whoever runs the
// machine, which Linux reaches through /dev/port on every architecture:
//   0  The program reports how it went; the last byte counts. Reads back that
//      byte, or zero before there is one.
//   1  Scratch for the guest, zero at power-on. It survives a reset of the
//      machine, so that a guest can tell its first boot from the next.
// Thread-safe.
class GuestReport final : public IoDevice {
 public:
  static constexpr uint64_t kStatus = 0;
  static constexpr uint64_t kScratch = 1;
  static constexpr uint64_t kSize = 2;

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  // Takes single bytes only.
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  std::optional<uint8_t> status() const;

 private:
  mutable Mutex mutex_;
  std::optional<uint8_t> status_ ABSL_GUARDED_BY(mutex_);
  uint8_t scratch_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_GUEST_REPORT_H_
