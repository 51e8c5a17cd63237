#include "simulator/condition_packets.h"

namespace nacre::simulator {
namespace {

Condition SkipUnless(bool condition, uint32_t dwords) {
  return Skip{condition ? 0 : Field(dwords, 23, 0)};
}

}  // namespace

Condition CondExec(CpState& state, Payload payload) {
  if (payload.size() < 6) return Hang::kShortPacket;
  const uint32_t flag = state.memory.Load32(AddressAt(payload, 0));
  const uint32_t value = state.memory.Load32(AddressAt(payload, 2));
  const bool execute = flag != 0 && static_cast<int32_t>(value) <
                                        static_cast<int32_t>(payload[4]);
  return Skip{execute ? 0 : payload[5]};
}

Condition CondRegExec(CpState& state, Payload payload) {
  enum Mode {
    kPredTest = 1,
    kRegCompare = 2,
    kRenderMode = 3,
    kRegCompareImm = 4,
    kThreadMode = 5,
  };
  if (payload.size() < 2) return Hang::kShortPacket;
  const uint32_t control = payload[0];
  const uint32_t reg0 = Field(control, 17, 0);
  switch (Field(control, 31, 28)) {
    case kPredTest:
      return SkipUnless(
          Bit(state.predicates, static_cast<int>(Field(control, 22, 18))),
          payload[1]);
    case kRegCompare:
      if (payload.size() < 3) return Hang::kShortPacket;
      return SkipUnless(state.registers.Read(reg0) ==
                            state.registers.Read(Field(payload[1], 17, 0)),
                        payload[2]);
    case kRenderMode:
      return SkipUnless((Field(control, 27, 25) & ModeBit(state.mode)) != 0,
                        payload[1]);
    case kRegCompareImm:
      if (payload.size() < 3) return Hang::kShortPacket;
      return SkipUnless(state.registers.Read(reg0) == payload[1], payload[2]);
    case kThreadMode: {
      // The packet's bits are BV, BR, LPAC; THREAD_CONTROL's BR, BV.
      const bool bv = Bit(control, 25) && Bit(state.threads, 1);
      const bool br = Bit(control, 26) && Bit(state.threads, 0);
      return SkipUnless(bv || br, payload[1]);
    }
    default:
      state.CountNotExecuted(Opcode::kCondRegExec);
      return Skip{};
  }
}

Hang RegTest(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  const uint32_t control = payload[0];
  const bool update_directly = Bit(control, 31);
  if (update_directly) {
    if (payload.size() < 3) return Hang::kShortPacket;
    state.predicates =
        (state.predicates & ~payload[1]) | (payload[2] & payload[1]);
    return Hang::kNone;
  }
  const bool from_scratch_memory =
      state.generation == Generation::kA7xx && Bit(control, 18);
  const uint32_t source = Field(control, 17, 0);
  const uint32_t value =
      from_scratch_memory
          ? state.scratch_memory[source % state.scratch_memory.size()]
          : state.registers.Read(source);
  const uint32_t predicate = 1u << Field(control, 30, 26);
  if (Bit(value, static_cast<int>(Field(control, 24, 20)))) {
    state.predicates |= predicate;
  } else {
    state.predicates &= ~predicate;
  }
  return Hang::kNone;
}

Hang SetMarker(CpState& state, Payload payload) {
  enum Marker { kDirectRender = 1, kBinVisibility = 2, kBlit2dScale = 0xc };
  if (payload.empty()) return Hang::kShortPacket;
  const bool power_collapse_control = Bit(payload[0], 8);
  if (power_collapse_control) return Hang::kNone;
  switch (Field(payload[0], 3, 0)) {
    case kDirectRender:
      state.mode = RenderMode::kSysmem;
      break;
    case kBinVisibility:
      state.mode = RenderMode::kBinning;
      break;
    case kBlit2dScale:
      break;  // No effect in firmware either.
    default:
      state.mode = RenderMode::kGmem;
      break;
  }
  return Hang::kNone;
}

Hang DrawPredEnableGlobal(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  state.draw_predicate.enabled_globally = Bit(payload[0], 0);
  if (!state.draw_predicate.enabled_globally) return Hang::kNone;
  state.draw_predicate.enabled_locally = true;
  state.draw_predicate.passes = true;
  return Hang::kNone;
}

Hang DrawPredEnableLocal(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  state.draw_predicate.enabled_locally = Bit(payload[0], 0);
  return Hang::kNone;
}

Hang DrawPredSet(CpState& state, Payload payload) {
  constexpr uint32_t kMemory = 5;
  if (payload.size() < 3) return Hang::kShortPacket;
  if (Field(payload[0], 7, 4) != kMemory) {
    // Counters of draws, which there are none of.
    state.CountNotExecuted(Opcode::kDrawPredSet);
    return Hang::kNone;
  }
  const bool pass_if_zero = Bit(payload[0], 8);
  const bool is_zero = state.memory.Load64(AddressAt(payload, 1)) == 0;
  state.draw_predicate.passes = is_zero == pass_if_zero;
  return Hang::kNone;
}

Hang ThreadControl(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  state.threads = Field(payload[0], 1, 0);
  return Hang::kNone;
}

}  // namespace nacre::simulator
