#include "simulator/register_file.h"

#include <time.h>

#include "glog/logging.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kRegisterMask = RegisterFile::kRegisters - 1;
constexpr size_t kBytes = RegisterFile::kRegisters * sizeof(uint32_t);

}  // namespace

uint64_t AlwaysOnCounter() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  // 19.2 MHz is 12 ticks in 625 ns.
  return static_cast<uint64_t>(now.tv_sec) * 19'200'000 +
         static_cast<uint64_t>(now.tv_nsec) * 12 / 625;
}

RegisterFile::RegisterFile() { Reset(); }

uint32_t RegisterFile::Read(uint32_t reg) const {
  reg &= kRegisterMask;
  switch (reg) {
    case kCpAlwaysOnCounter:
    case kCpAlwaysOnContext:
    case kRbbmPerfctrCp0:
      return static_cast<uint32_t>(AlwaysOnCounter());
    case kCpAlwaysOnCounter + 1:
    case kCpAlwaysOnContext + 1:
    case kRbbmPerfctrCp0 + 1:
      return static_cast<uint32_t>(AlwaysOnCounter() >> 32);
    case kRbbmStatus:
      return 0;  // Idle: whatever came before is done.
    case kRbbmPerfctrSramInitStatus:
      return 1;  // Done.
    default:
      return values()[reg];
  }
}

uint64_t RegisterFile::Read64(uint32_t reg) const {
  reg &= kRegisterMask;
  switch (reg) {
    case kCpAlwaysOnCounter:
    case kCpAlwaysOnContext:
    case kRbbmPerfctrCp0:
      return AlwaysOnCounter();  // Both halves of one moment.
    default:
      return Read(reg) | uint64_t{Read(reg + 1)} << 32;
  }
}

void RegisterFile::Write(uint32_t reg, uint32_t value) {
  values()[reg & kRegisterMask] = value;
}

void RegisterFile::Reset() {
  absl::StatusOr<Mapping> memory = Mapping::Anonymous(kBytes, 4096);
  CHECK(memory.ok()) << memory.status();
  memory_ = *std::move(memory);
}

}  // namespace nacre::simulator
