#include "simulator/wait_packets.h"

#include <time.h>

#include <algorithm>

#include "absl/functional/function_ref.h"

namespace nacre::simulator {
namespace {

using Clock = std::chrono::steady_clock;

void SleepFor(std::chrono::nanoseconds duration) {
  const timespec time = {.tv_sec = 0, .tv_nsec = duration.count()};
  nanosleep(&time, nullptr);
}

Hang WaitUntil(CpState& state, absl::FunctionRef<bool()> satisfied) {
  constexpr std::chrono::nanoseconds kFirstPause =
      std::chrono::microseconds(10);
  constexpr std::chrono::nanoseconds kLongestPause =
      std::chrono::milliseconds(1);
  state.clock.CatchUp();
  if (satisfied()) return Hang::kNone;
  const Clock::time_point deadline = Clock::now() + state.hang_timeout;
  std::chrono::nanoseconds pause = kFirstPause;
  while (!satisfied()) {
    if (state.Stopped()) return Hang::kDeviceGone;
    if (Clock::now() >= deadline) return Hang::kWait;
    SleepFor(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
  state.clock.Resume();
  return Hang::kNone;
}

// The functions of COND_WRITE5 and WAIT_REG_MEM: dword 0 bits 2:0 and 3.
bool Compare(uint32_t control, uint32_t value, uint32_t reference) {
  const auto compare = [control](auto a, auto b) {
    switch (Field(control, 2, 0)) {
      case 1:
        return a < b;
      case 2:
        return a <= b;
      case 3:
        return a == b;
      case 4:
        return a != b;
      case 5:
        return a >= b;
      case 6:
        return a > b;
      default:
        return true;
    }
  };
  if (Bit(control, 3)) {
    return compare(static_cast<int32_t>(value),
                   static_cast<int32_t>(reference));
  }
  return compare(value, reference);
}

// Where COND_WRITE5 and WAIT_REG_MEM look: dword 0 bits 5:4.
enum Poll { kPollRegister = 0, kPollMemory = 1, kPollScratch = 2 };

// Both start with control, address (2), reference, mask. On-chip memory (a7xx)
// is only used between the halves of concurrent binning, which run one after
// the other here: it always compares true.
bool Satisfied(CpState& state, Payload payload) {
  const uint32_t control = payload[0];
  const uint32_t reference = payload[3];
  const uint32_t mask = payload[4];
  switch (Field(control, 5, 4)) {
    case kPollRegister:
      return Compare(control, state.registers.Read(payload[1]) & mask,
                     reference);
    case kPollMemory:
      return Compare(control, state.memory.Load32(AddressAt(payload, 1)) & mask,
                     reference);
    case kPollScratch:
      return Compare(control,
                     state.scratch[payload[1] % state.scratch.size()] & mask,
                     reference);
    default:
      return true;
  }
}

}  // namespace

Hang WaitRegMem(CpState& state, Payload payload) {
  if (payload.size() < 5) return Hang::kShortPacket;
  return WaitUntil(state, [&] { return Satisfied(state, payload); });
}

Hang WaitMemGte(CpState& state, Payload payload) {
  if (payload.size() < 4) return Hang::kShortPacket;
  const auto reference = static_cast<int32_t>(payload[3]);
  return WaitUntil(state, [&] {
    const uint32_t value = state.memory.Load32(AddressAt(payload, 1));
    return static_cast<int32_t>(value) >= reference;
  });
}

Hang WaitTimestamp(CpState& state, Payload payload) {
  constexpr uint32_t k64Bit = 1;
  if (payload.size() < 4) return Hang::kShortPacket;
  if (Bit(payload[0], 4)) return Hang::kNone;  // On-chip; see Satisfied.
  if (Field(payload[0], 1, 0) != k64Bit) return WaitMemGte(state, payload);
  if (payload.size() < 5) return Hang::kShortPacket;
  return WaitUntil(state, [&] {
    return state.memory.Load64(AddressAt(payload, 1)) >= AddressAt(payload, 3);
  });
}

Hang WaitTwoRegs(CpState& state, Payload payload) {
  if (payload.size() < 3) return Hang::kShortPacket;
  return WaitUntil(state, [&] {
    return state.registers.Read(payload[0]) != 0 ||
           state.registers.Read(payload[1]) != payload[2];
  });
}

Hang CondWrite5(CpState& state, Payload payload) {
  if (payload.size() < 8) return Hang::kShortPacket;
  if (!Satisfied(state, payload)) return Hang::kNone;
  const bool to_memory = Bit(payload[0], 8);
  if (to_memory) {
    state.memory.Store32(AddressAt(payload, 5), payload[7]);
  } else {
    state.registers.Write(payload[5], payload[7]);
  }
  return Hang::kNone;
}

}  // namespace nacre::simulator
