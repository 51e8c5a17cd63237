#include "vmm/x86_64/rtc.h"

#include <algorithm>
#include <utility>

namespace nacre::vmm::x86_64 {
namespace {

// MC146818 registers.
constexpr uint8_t kSeconds = 0x00;
constexpr uint8_t kMinutes = 0x02;
constexpr uint8_t kHours = 0x04;
constexpr uint8_t kDayOfWeek = 0x06;  // 1 is Sunday.
constexpr uint8_t kDayOfMonth = 0x07;
constexpr uint8_t kMonth = 0x08;
constexpr uint8_t kYear = 0x09;
constexpr uint8_t kRegisterA = 0x0a;
constexpr uint8_t kRegisterB = 0x0b;
constexpr uint8_t kRegisterC = 0x0c;
constexpr uint8_t kRegisterD = 0x0d;
constexpr uint8_t kCentury = 0x32;  // By the PC's convention.

constexpr uint8_t kDividerOn32768Hz = 0x26;  // Update in progress clear.
constexpr uint8_t kHours24 = 0x02;           // And BCD.
constexpr uint8_t kValidRamAndTime = 0x80;

constexpr uint64_t kDataPort = 1;
constexpr uint8_t kIndexMask = 0x7f;  // Bit 7 masks the NMI.

uint8_t Bcd(int value) {
  return static_cast<uint8_t>(value / 10 % 10 << 4 | value % 10);
}

}  // namespace

Rtc::Rtc(Clock clock) : clock_(std::move(clock)) {}

void Rtc::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  MutexLock lock(mutex_);
  data[0] = offset == kDataPort ? ReadRegister(index_) : index_;
}

void Rtc::Write(uint64_t offset, std::span<const uint8_t> data) {
  MutexLock lock(mutex_);
  if (offset != kDataPort) index_ = data[0] & kIndexMask;
}

uint8_t Rtc::ReadRegister(uint8_t index) {
  const time_t now = clock_();
  tm date = {};
  gmtime_r(&now, &date);
  switch (index) {
    case kSeconds:
      return Bcd(date.tm_sec);
    case kMinutes:
      return Bcd(date.tm_min);
    case kHours:
      return Bcd(date.tm_hour);
    case kDayOfWeek:
      return Bcd(date.tm_wday + 1);
    case kDayOfMonth:
      return Bcd(date.tm_mday);
    case kMonth:
      return Bcd(date.tm_mon + 1);
    case kYear:
      return Bcd(date.tm_year % 100);
    case kCentury:
      return Bcd((1900 + date.tm_year) / 100);
    case kRegisterA:
      return kDividerOn32768Hz;
    case kRegisterB:
      return kHours24;
    case kRegisterC:
      return 0;
    case kRegisterD:
      return kValidRamAndTime;
    default:
      return 0;
  }
}

}  // namespace nacre::vmm::x86_64
