#include "vmm/aarch64/rtc.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nacre::vmm::aarch64 {
namespace {

// DDI 0224, table 3-1.
constexpr uint64_t kData = 0x000;
constexpr uint64_t kControl = 0x00c;
constexpr uint64_t kPeripheralId0 = 0xfe0;
constexpr uint64_t kCellId0 = 0xff0;
constexpr uint64_t kEnd = 0x1000;

constexpr uint32_t kStarted = 1;
constexpr uint32_t kCellId = 0xb105f00d;

// An identification register holds eight bits of a number of 32.
uint32_t IdByte(uint32_t id, uint64_t offset) {
  return id >> (offset / 4 * 8) & 0xff;
}

}  // namespace

Rtc::Rtc(Clock clock) : clock_(std::move(clock)) {}

void Rtc::Read(uint64_t offset, std::span<uint8_t> data) {
  uint32_t value = 0;  // Match, load and interrupt registers too.
  if (offset == kData) {
    value = static_cast<uint32_t>(clock_());
  } else if (offset == kControl) {
    value = kStarted;
  } else if (offset >= kPeripheralId0 && offset < kCellId0) {
    value = IdByte(kPeripheralId, offset - kPeripheralId0);
  } else if (offset >= kCellId0 && offset < kEnd) {
    value = IdByte(kCellId, offset - kCellId0);
  }
  std::fill(data.begin(), data.end(), 0);
  std::memcpy(data.data(), &value, std::min(data.size(), sizeof(value)));
}

void Rtc::Write(uint64_t, std::span<const uint8_t>) {}

}  // namespace nacre::vmm::aarch64
