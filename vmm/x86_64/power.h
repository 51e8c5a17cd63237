#ifndef NACRE_VMM_X86_64_POWER_H_
#define NACRE_VMM_X86_64_POWER_H_

#include <cstdint>
#include <span>

#include "vmm/io_device.h"
#include "vmm/outcome.h"

namespace nacre::vmm::x86_64 {

// The sleep and reset registers that the FADT names (ACPI 6.4, 4.8.3.7 and
// 4.8.3.6), a byte each.
class PowerDevice final : public IoDevice {
 public:
  // Offsets.
  static constexpr uint64_t kSleepControl = 0;
  static constexpr uint64_t kSleepStatus = 1;  // Reads zero: never woken.
  static constexpr uint64_t kReset = 2;
  static constexpr uint64_t kSize = 3;

  static constexpr uint8_t kResetValue = 1;
  // The sleep type of \_S5 ("soft off"); we have no other state.
  static constexpr uint8_t kSoftOff = 5;

  // `sink` outlives it.
  explicit PowerDevice(OutcomeSink& sink) : sink_(sink) {}

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  OutcomeSink& sink_;
};

// The keyboard controller, as far as it resets the machine: Linux's
// reboot=k, and what firmware-less guests try first.
class I8042Device final : public IoDevice {
 public:
  // `sink` outlives it.
  explicit I8042Device(OutcomeSink& sink) : sink_(sink) {}

  // Both buffers empty, always: anything else makes Linux poll.
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  OutcomeSink& sink_;
};

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_POWER_H_
