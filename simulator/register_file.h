#ifndef NACRE_SIMULATOR_REGISTER_FILE_H_
#define NACRE_SIMULATOR_REGISTER_FILE_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/mapping.h"
#include "simulator/gpu_clock.h"

namespace nacre::simulator {

// Registers by dword offset (Mesa a6xx.xml) that mean something here.
inline constexpr uint32_t kRbbmStatus = 0x210;
inline constexpr uint32_t kRbbmPerfctrCp0 = 0x400;  // 64-bit.
inline constexpr uint32_t kRbbmPerfctrSramInitStatus = 0x50f;
inline constexpr uint32_t kCpAlwaysOnCounter = 0x980;  // 64-bit.
inline constexpr uint32_t kCpAlwaysOnContext = 0x982;  // 64-bit.
inline constexpr uint32_t kRbSampleCountControl = 0x8891;
inline constexpr uint32_t kRbSampleCountAddress = 0x8927;  // 64-bit.
inline constexpr uint32_t kVpcSoStreamCounts = 0x9218;     // 64-bit.

// The GPU's always-on counter: 19.2 MHz, from an arbitrary start.
uint64_t AlwaysOnCounter(
    GpuClock::Clock::time_point at = GpuClock::Clock::now());

// The GPU's registers: what was written, but for those that hardware drives.
// For the GPU thread alone.
class RegisterFile {
 public:
  static constexpr uint32_t kRegisters = 1u << 18;

  // What one keeps its values in. Errors: of mmap.
  static absl::StatusOr<Mapping> Memory();
  // `clock` outlives this; the counters follow it.
  RegisterFile(const GpuClock& clock, Mapping memory)
      : clock_(clock), memory_(std::move(memory)) {}

  // `reg` is cut to 18 bits.
  uint32_t Read(uint32_t reg) const;
  uint64_t Read64(uint32_t reg) const;
  void Write(uint32_t reg, uint32_t value);

  // All back to 0, as after a GPU reset.
  void Reset();

 private:
  uint32_t* values() const {
    return reinterpret_cast<uint32_t*>(memory_.data());
  }
  const GpuClock& clock_;
  Mapping memory_;  // Populated by touch: most registers are never written.
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_REGISTER_FILE_H_
