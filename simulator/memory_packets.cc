#include "simulator/memory_packets.h"

#include <algorithm>
#include <bit>

namespace nacre::simulator {
namespace {

uint32_t RegisterOf(uint32_t dword) { return Field(dword, 17, 0); }

// REG_TO_MEM and its variants: `control` is their first dword.
Hang StoreRegisters(CpState& state, uint32_t control, uint64_t destination) {
  const uint32_t reg = RegisterOf(control);
  const uint32_t count = std::max(Field(control, 29, 18), 1u);
  const bool pairs = Bit(control, 30);
  const bool accumulate = Bit(control, 31);
  if (!state.Spend(count)) return Hang::kWorkLimit;
  state.clock.CatchUp();
  if (pairs) {
    // A counter's halves belong together, also for a count of 1.
    for (uint32_t i = 0; i < count; i += 2) {
      const uint64_t address = destination + 4 * i;
      const uint64_t before = accumulate ? state.memory.Load64(address) : 0;
      state.memory.Store64(address, before + state.registers.Read64(reg + i));
    }
    return Hang::kNone;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t address = destination + 4 * i;
    const uint32_t before = accumulate ? state.memory.Load32(address) : 0;
    state.memory.Store32(address, before + state.registers.Read(reg + i));
  }
  return Hang::kNone;
}

}  // namespace

Hang MemWrite(CpState& state, Payload payload) {
  if (payload.size() < 2) return Hang::kShortPacket;
  state.clock.CatchUp();
  const uint64_t destination = AddressAt(payload, 0);
  for (size_t i = 2; i < payload.size(); ++i) {
    state.memory.Store32(destination + 4 * (i - 2), payload[i]);
  }
  return Hang::kNone;
}

Hang RegToMem(CpState& state, Payload payload) {
  if (payload.size() < 3) return Hang::kShortPacket;
  return StoreRegisters(state, payload[0], AddressAt(payload, 1));
}

Hang RegToMemOffsetReg(CpState& state, Payload payload) {
  if (payload.size() < 4) return Hang::kShortPacket;
  uint64_t destination = AddressAt(payload, 1);
  // One offset, or two.
  for (const uint32_t offset :
       payload.subspan(3).first(std::min<size_t>(payload.size() - 3, 2))) {
    destination += Bit(offset, 19)
                       ? state.scratch[offset % state.scratch.size()]
                       : state.registers.Read(RegisterOf(offset));
  }
  return StoreRegisters(state, payload[0], destination);
}

Hang RegToMemOffsetMem(CpState& state, Payload payload) {
  if (payload.size() < 5) return Hang::kShortPacket;
  return StoreRegisters(
      state, payload[0],
      AddressAt(payload, 1) + state.memory.Load32(AddressAt(payload, 3)));
}

Hang MemToReg(CpState& state, Payload payload) {
  if (payload.size() < 3) return Hang::kShortPacket;
  const uint32_t reg = RegisterOf(payload[0]);
  const uint32_t count = std::max(Field(payload[0], 29, 19), 1u);
  const int shift = Bit(payload[0], 30) ? 2 : 0;
  const uint64_t source = AddressAt(payload, 1);
  if (!state.Spend(count)) return Hang::kWorkLimit;
  for (uint32_t i = 0; i < count; ++i) {
    state.registers.Write(reg + i, state.memory.Load32(source + 4 * i)
                                       << shift);
  }
  return Hang::kNone;
}

Hang MemToMem(CpState& state, Payload payload) {
  constexpr size_t kMaxSources = 3;
  if (payload.size() < 5) return Hang::kShortPacket;
  const uint32_t control = payload[0];
  const bool wide = Bit(control, 29);
  const size_t sources = std::min((payload.size() - 3) / 2, kMaxSources);
  uint64_t sum = 0;
  for (size_t i = 0; i < sources; ++i) {
    const uint64_t source = AddressAt(payload, 3 + 2 * i);
    const uint64_t value =
        wide ? state.memory.Load64(source) : state.memory.Load32(source);
    sum = Bit(control, static_cast<int>(i)) ? sum - value : sum + value;
  }
  const uint64_t destination = AddressAt(payload, 1);
  if (wide) {
    state.memory.Store64(destination, sum);
  } else {
    state.memory.Store32(destination, static_cast<uint32_t>(sum));
  }
  return Hang::kNone;
}

Hang Memcpy(CpState& state, Payload payload) {
  constexpr uint64_t kDwordsBetweenLooks = 4096;
  if (payload.size() < 5) return Hang::kShortPacket;
  const uint64_t dwords = payload[0];
  const uint64_t source = AddressAt(payload, 1);
  const uint64_t destination = AddressAt(payload, 3);
  if (!state.Spend(dwords)) return Hang::kWorkLimit;
  for (uint64_t i = 0; i < dwords; ++i) {
    if (i % kDwordsBetweenLooks == 0 && state.Stopped()) {
      return Hang::kDeviceGone;
    }
    state.memory.Store32(destination + 4 * i,
                         state.memory.Load32(source + 4 * i));
  }
  return Hang::kNone;
}

Hang MemToScratchMem(CpState& state, Payload payload) {
  if (payload.size() < 4) return Hang::kShortPacket;
  const uint32_t count = Field(payload[0], 5, 0);
  const uint32_t offset = Field(payload[1], 5, 0);
  const uint64_t source = AddressAt(payload, 2);
  for (uint32_t i = 0; i < count; ++i) {
    state.scratch_memory[(offset + i) % state.scratch_memory.size()] =
        state.memory.Load32(source + 4 * i);
  }
  return Hang::kNone;
}

Hang RegRmw(CpState& state, Payload payload) {
  if (payload.size() < 3) return Hang::kShortPacket;
  const uint32_t control = payload[0];
  const uint32_t source0 = Bit(control, 31)
                               ? state.registers.Read(RegisterOf(payload[1]))
                               : payload[1];
  const uint32_t source1 = Bit(control, 30)
                               ? state.registers.Read(RegisterOf(payload[2]))
                               : payload[2];
  const bool to_scratch =
      state.generation == Generation::kA7xx && Bit(control, 19);
  const uint32_t destination = RegisterOf(control);
  uint32_t& scratch = state.scratch[destination % state.scratch.size()];
  const uint32_t before =
      to_scratch ? scratch : state.registers.Read(destination);
  const uint32_t rotated =
      std::rotl(before & source0, static_cast<int>(Field(control, 28, 24)));
  const uint32_t after =
      Bit(control, 29) ? rotated + source1 : rotated | source1;
  if (to_scratch) {
    scratch = after;
  } else {
    state.registers.Write(destination, after);
  }
  return Hang::kNone;
}

Hang RegWrite(CpState& state, Payload payload) {
  if (payload.size() < 3) return Hang::kShortPacket;
  // payload[0] asks firmware to track the register, which changes no values.
  state.registers.Write(RegisterOf(payload[1]), payload[2]);
  return Hang::kNone;
}

Hang RegToScratch(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  const uint32_t count = Field(payload[0], 26, 24) + 1;
  const uint32_t first = Field(payload[0], 22, 20);
  for (uint32_t i = 0; i < count; ++i) {
    state.scratch[(first + i) % state.scratch.size()] =
        state.registers.Read(RegisterOf(payload[0]) + i);
  }
  return Hang::kNone;
}

Hang ScratchToReg(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  const uint32_t count = Field(payload[0], 26, 24) + 1;
  const uint32_t first = Field(payload[0], 22, 20);
  for (uint32_t i = 0; i < count; ++i) {
    state.registers.Write(RegisterOf(payload[0]) + i,
                          state.scratch[(first + i) % state.scratch.size()]);
  }
  return Hang::kNone;
}

Hang ScratchWrite(CpState& state, Payload payload) {
  if (payload.empty()) return Hang::kShortPacket;
  const uint32_t first = Field(payload[0], 22, 20);
  for (size_t i = 1; i < payload.size(); ++i) {
    state.scratch[(first + i - 1) % state.scratch.size()] = payload[i];
  }
  return Hang::kNone;
}

Hang RegBunch(CpState& state, Payload payload) {
  for (size_t i = 0; i + 1 < payload.size(); i += 2) {
    state.registers.Write(RegisterOf(payload[i]), payload[i + 1]);
  }
  return Hang::kNone;
}

}  // namespace nacre::simulator
