#include "simulator/event_packets.h"

#include "simulator/gmem.h"

namespace nacre::simulator {
namespace {

// vgt_event_type.
constexpr uint32_t kWritePrimitiveCounts = 9;
constexpr uint32_t kZpassDone = 21;
constexpr uint32_t kBlit = 30;

constexpr uint64_t kSampleCount = 0;
constexpr uint64_t kPrimitiveCount = 0;

// Up to a730 the sample count goes where a register says.
void WriteSampleCountByRegister(CpState& state) {
  constexpr int kCopy = 1;
  if (!Bit(state.registers.Read(kRbSampleCountControl), kCopy)) return;
  state.memory.Store64(state.registers.Read64(kRbSampleCountAddress),
                       kSampleCount);
}

// Primitives that were generated and written, of each of four streams.
void WritePrimitiveCounts(CpState& state) {
  constexpr uint64_t kStreams = 4;
  const uint64_t counts = state.registers.Read64(kVpcSoStreamCounts);
  for (uint64_t i = 0; i < 2 * kStreams; ++i) {
    state.memory.Store64(counts + 8 * i, kPrimitiveCount);
  }
}

// What an event does before it is complete, on both generations.
Hang Execute(CpState& state, uint32_t event) {
  switch (event) {
    case kWritePrimitiveCounts:
      WritePrimitiveCounts(state);
      return Hang::kNone;
    case kBlit:
      return BlitEvent(state);
    default:
      // Caches, and counters that only draws move.
      return Hang::kNone;
  }
}

Hang EventWrite6(CpState& state, Payload payload) {
  const uint32_t event = Field(payload[0], 7, 0);
  const bool timestamp = Bit(payload[0], 30);
  if (const Hang hang = Execute(state, event); hang != Hang::kNone) return hang;
  if (event == kZpassDone) WriteSampleCountByRegister(state);
  if (payload.size() < 4) return Hang::kNone;  // The form without a write.
  const uint64_t destination = AddressAt(payload, 1);
  if (timestamp) {
    state.memory.Store64(destination, AlwaysOnCounter(state.clock.Now()));
  } else {
    state.memory.Store32(destination, payload[3]);
  }
  return Hang::kNone;
}

Hang EventWrite7(CpState& state, Payload payload) {
  enum Source { kUser32 = 0, kUser64 = 1, kTimestampSum = 2, kAlwaysOn = 3 };
  const uint32_t control = payload[0];
  const uint32_t event = Field(control, 7, 0);
  if (const Hang hang = Execute(state, event); hang != Hang::kNone) return hang;
  const bool write_samples = Bit(control, 12);
  if (event == kZpassDone && !write_samples) WriteSampleCountByRegister(state);
  const bool write_value = Bit(control, 27);
  if (!write_samples && !write_value) return Hang::kNone;
  const bool on_chip = Bit(control, 24);
  if (on_chip) {
    // Only concurrent binning reads it back; see WaitTimestamp.
    state.CountNotExecuted(Opcode::kEventWrite);
    return Hang::kNone;
  }
  if (payload.size() < 3) return Hang::kShortPacket;
  const uint64_t destination = AddressAt(payload, 1);
  if (write_samples) {
    const bool at_end = Bit(control, 13);
    const bool accumulate = Bit(control, 14);
    state.memory.Store64(destination + (at_end ? 16 : 0), kSampleCount);
    if (accumulate) {
      const uint64_t difference = state.memory.Load64(destination + 16) -
                                  state.memory.Load64(destination);
      state.memory.Store64(destination + 8,
                           state.memory.Load64(destination + 8) + difference);
    }
    return Hang::kNone;
  }
  switch (Field(control, 22, 20)) {
    case kUser32:
      if (payload.size() < 4) return Hang::kShortPacket;
      state.memory.Store32(destination, payload[3]);
      break;
    case kUser64:
      if (payload.size() < 5) return Hang::kShortPacket;
      state.memory.Store64(destination, AddressAt(payload, 3));
      break;
    case kTimestampSum:
    case kAlwaysOn:
      state.memory.Store64(destination, AlwaysOnCounter(state.clock.Now()));
      break;
    default:
      state.CountNotExecuted(Opcode::kEventWrite);
      break;
  }
  return Hang::kNone;
}

}  // namespace

Hang EventWrite(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  const bool may_write = payload.size() > 1;
  if (may_write) state.clock.CatchUp();
  return state.generation == Generation::kA7xx ? EventWrite7(state, payload)
                                               : EventWrite6(state, payload);
}

}  // namespace nacre::simulator
