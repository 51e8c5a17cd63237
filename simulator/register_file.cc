#include "simulator/register_file.h"

namespace nacre::simulator {
namespace {

constexpr uint32_t kRegisterMask = RegisterFile::kRegisters - 1;
constexpr size_t kBytes = RegisterFile::kRegisters * sizeof(uint32_t);

}  // namespace

uint64_t AlwaysOnCounter(GpuClock::Clock::time_point at) {
  constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
  const auto since_boot = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(
          at.time_since_epoch())
          .count());
  // 19.2 MHz is 12 ticks in 625 ns.
  return since_boot / kNanosecondsPerSecond * 19'200'000 +
         since_boot % kNanosecondsPerSecond * 12 / 625;
}

absl::StatusOr<Mapping> RegisterFile::Memory() {
  return Mapping::Anonymous(kBytes, 4096);
}

uint32_t RegisterFile::Read(uint32_t reg) const {
  reg &= kRegisterMask;
  switch (reg) {
    case kCpAlwaysOnCounter:
    case kCpAlwaysOnContext:
    case kRbbmPerfctrCp0:
      return static_cast<uint32_t>(AlwaysOnCounter(clock_.Now()));
    case kCpAlwaysOnCounter + 1:
    case kCpAlwaysOnContext + 1:
    case kRbbmPerfctrCp0 + 1:
      return static_cast<uint32_t>(AlwaysOnCounter(clock_.Now()) >> 32);
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
      return AlwaysOnCounter(clock_.Now());  // Both halves of one moment.
    default:
      return Read(reg) | uint64_t{Read(reg + 1)} << 32;
  }
}

void RegisterFile::Write(uint32_t reg, uint32_t value) {
  values()[reg & kRegisterMask] = value;
}

void RegisterFile::Reset() { memory_.Zero(); }

}  // namespace nacre::simulator
