#ifndef NACRE_VMM_X86_64_RTC_H_
#define NACRE_VMM_X86_64_RTC_H_

#include <time.h>

#include <cstdint>
#include <functional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "vmm/io_device.h"

namespace nacre::vmm::x86_64 {

// The PC's real-time clock (Motorola MC146818) at ports 0x70 (index) and 0x71
// (data): the host's time, UTC, in BCD and 24-hour form, which the guest cannot
// set; no alarm, no interrupt, no memory. Never updating, so that no guest
// polls for it.
class Rtc final : public IoDevice {
 public:
  // Seconds since 1970; the host's clock, or a test's.
  using Clock = std::function<time_t()>;
  explicit Rtc(Clock clock);

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  uint8_t ReadRegister(uint8_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock clock_;
  Mutex mutex_;
  uint8_t index_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_RTC_H_
