#ifndef NACRE_SIMULATOR_CP_STATE_H_
#define NACRE_SIMULATOR_CP_STATE_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/mapping.h"
#include "simulator/chips.h"
#include "simulator/gpu_clock.h"
#include "simulator/gpu_memory.h"
#include "simulator/pm4.h"
#include "simulator/register_file.h"
#include "simulator/stats.h"

namespace nacre::simulator {

// Why a submission ended early. On hardware each is an error interrupt or a
// command processor that no longer moves; both end in the driver's recovery.
enum class Hang {
  kNone,
  kPacketType,
  kParity,
  kReservedBits,
  kShortPacket,
  kPacketBeyondBuffer,
  kNesting,
  kWorkLimit,
  kWait,
  kTime,
  kDeviceGone,
};
absl::string_view HangName(Hang hang);

// What SET_MARKER says the stream is doing. Draw-state groups and
// COND_REG_EXEC select by it.
enum class RenderMode { kBinning, kGmem, kSysmem };

// The bit of a mode in those packets' masks, from the mask's lowest.
constexpr uint32_t ModeBit(RenderMode mode) {
  return 1u << static_cast<int>(mode);
}

// CP_DRAW_PRED_*: conditional rendering.
struct DrawPredicate {
  bool enabled_globally = false;
  bool enabled_locally = true;  // Off around draws of the driver's own.
  bool passes = true;

  bool DropsDraws() const {
    return enabled_globally && enabled_locally && !passes;
  }
};

// What packets read and change. The GPU thread's alone, but for `stop`.
struct CpState {
  // The memory is RegisterFile::Memory's.
  explicit CpState(Mapping register_memory)
      : registers(clock, std::move(register_memory)) {}
  CpState(const CpState&) = delete;
  CpState& operator=(const CpState&) = delete;

  Generation generation = Generation::kA6xx;
  std::chrono::milliseconds hang_timeout{500};
  const std::atomic<bool>* stop = nullptr;  // Ends waits; may be null.

  GpuClock clock;
  GpuMemory memory;
  RegisterFile registers;
  std::array<uint32_t, 8> scratch{};
  std::array<uint32_t, 48> scratch_memory{};  // CP_MEM_TO_SCRATCH_MEM, a7xx.
  uint32_t predicates = 0;                    // One bit each.
  RenderMode mode = RenderMode::kSysmem;
  DrawPredicate draw_predicate;
  uint32_t threads = 3;  // CP_THREAD_CONTROL: bit 0 BR, bit 1 BV.

  uint64_t work_left = 0;  // Dwords; see SimulatorConfig::work_limit.
  CommandProcessorStats stats;

  // The device is about to go: what runs ends with Hang::kDeviceGone.
  bool Stopped() const {
    return stop != nullptr && stop->load(std::memory_order_relaxed);
  }
  // False once the submission has used up its work.
  bool Spend(uint64_t dwords) {
    if (dwords > work_left) {
      work_left = 0;
      return false;
    }
    work_left -= dwords;
    return true;
  }
  void CountNotExecuted(Opcode opcode) {
    ++stats.packets_not_executed[OpcodeName(opcode)];
  }
};

// A packet's dwords after its header.
using Payload = std::span<const uint32_t>;

// The address in dwords i and i + 1.
inline uint64_t AddressAt(Payload payload, size_t i) {
  return payload[i] | uint64_t{payload[i + 1]} << 32;
}

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_CP_STATE_H_
