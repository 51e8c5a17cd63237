#ifndef NACRE_SIMULATOR_DRAW_STATE_H_
#define NACRE_SIMULATOR_DRAW_STATE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "simulator/cp_state.h"

namespace nacre::simulator {

// A piece of command stream.
struct IndirectBuffer {
  uint64_t iova = 0;
  uint32_t dwords = 0;
};

// CP_SET_DRAW_STATE's groups: streams that set state, remembered and executed
// when a draw needs them, in the order of their ids, where the mode that the
// stream is in is one of theirs. A group is executed again once it was set
// again or the mode has changed.
class DrawState {
 public:
  static constexpr int kGroups = 32;

  // The packet: one group for each three dwords.
  Hang Set(Payload payload);

  // The next group to execute before a draw in `mode`, which then counts as
  // executed; nullopt when none is left.
  std::optional<IndirectBuffer> NextFor(RenderMode mode);
  // The next group to execute because it was set with LOAD_IMMED. One whose
  // modes do not include this one becomes an ordinary group.
  std::optional<IndirectBuffer> NextImmediate(RenderMode mode) {
    if (!any_immediate_) return std::nullopt;
    return TakeImmediate(mode);
  }

  void Clear() { *this = DrawState(); }

 private:
  struct Group {
    IndirectBuffer buffer;
    uint32_t modes = 0;  // ModeBits.
    bool pending = false;
    bool immediate = false;
  };
  std::optional<IndirectBuffer> TakeImmediate(RenderMode mode);

  std::array<Group, kGroups> groups_;
  bool any_immediate_ = false;
  std::optional<RenderMode> last_mode_;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_DRAW_STATE_H_
