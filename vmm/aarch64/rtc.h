#ifndef NACRE_VMM_AARCH64_RTC_H_
#define NACRE_VMM_AARCH64_RTC_H_

#include <time.h>

#include <cstdint>
#include <functional>
#include <span>

#include "vmm/io_device.h"

namespace nacre::vmm::aarch64 {

// A real-time clock (Arm PrimeCell PL031, DDI 0224): the host's time, UTC,
// which the guest cannot set; no alarm, no interrupt. Has no state: thread-safe
// where the clock is.
class Rtc final : public IoDevice {
 public:
  // What the identification registers say, as a device tree gives it to save
  // the guest reading them.
  static constexpr uint32_t kPeripheralId = 0x00041031;

  // Seconds since 1970; the host's clock, or a test's.
  using Clock = std::function<time_t()>;
  explicit Rtc(Clock clock);

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  const Clock clock_;
};

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_RTC_H_
