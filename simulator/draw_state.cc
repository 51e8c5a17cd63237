#include "simulator/draw_state.h"

namespace nacre::simulator {

Hang DrawState::Set(Payload payload) {
  if (payload.size() % 3 != 0) return Hang::kShortPacket;
  for (size_t i = 0; i < payload.size(); i += 3) {
    const uint32_t control = payload[i];
    const bool disable = Bit(control, 17);
    const bool disable_all = Bit(control, 18);
    if (disable_all) {
      groups_ = {};
      continue;
    }
    Group& group = groups_[Field(control, 28, 24)];
    const uint32_t dwords = Field(control, 15, 0);
    if (disable || dwords == 0) {
      group = Group();
      continue;
    }
    group = {.buffer = {AddressAt(payload, i + 1), dwords},
             .modes = Field(control, 22, 20),
             .pending = true,
             .immediate = Bit(control, 19)};
    any_immediate_ |= group.immediate;
  }
  return Hang::kNone;
}

std::optional<IndirectBuffer> DrawState::NextFor(RenderMode mode) {
  if (last_mode_ != mode) {
    for (Group& group : groups_) group.pending = group.buffer.dwords != 0;
    last_mode_ = mode;
  }
  for (Group& group : groups_) {
    if (!group.pending || (group.modes & ModeBit(mode)) == 0) continue;
    group.pending = false;
    return group.buffer;
  }
  return std::nullopt;
}

std::optional<IndirectBuffer> DrawState::TakeImmediate(RenderMode mode) {
  for (Group& group : groups_) {
    if (!group.immediate) continue;
    group.immediate = false;
    if ((group.modes & ModeBit(mode)) == 0) continue;
    group.pending = false;
    return group.buffer;
  }
  any_immediate_ = false;
  return std::nullopt;
}

}  // namespace nacre::simulator
