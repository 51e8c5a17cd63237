#include "vmm/x86_64/power.h"

#include <algorithm>

namespace nacre::vmm::x86_64 {
namespace {

// Sleep control register, ACPI 6.4 table 4.20.
constexpr uint8_t kSleepEnable = 1 << 5;
constexpr int kSleepTypeShift = 2;
constexpr uint8_t kSleepTypeMask = 7;

constexpr uint8_t kPulseResetLine = 0xfe;

}  // namespace

void PowerDevice::Read(uint64_t, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
}

void PowerDevice::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (data.size() != 1) return;
  const uint8_t value = data[0];
  if (offset == kSleepControl && (value & kSleepEnable) != 0 &&
      ((value >> kSleepTypeShift) & kSleepTypeMask) == kSoftOff) {
    sink_.End({Outcome::Kind::kPowerOff, ""});
  } else if (offset == kReset && value == kResetValue) {
    sink_.End({Outcome::Kind::kReset, ""});
  }
}

void I8042Device::Read(uint64_t, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
}

void I8042Device::Write(uint64_t, std::span<const uint8_t> data) {
  if (data[0] == kPulseResetLine) sink_.End({Outcome::Kind::kReset, ""});
}

}  // namespace nacre::vmm::x86_64
