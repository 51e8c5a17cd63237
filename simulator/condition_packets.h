#ifndef NACRE_SIMULATOR_CONDITION_PACKETS_H_
#define NACRE_SIMULATOR_CONDITION_PACKETS_H_

#include <cstdint>
#include <variant>

#include "simulator/cp_state.h"

namespace nacre::simulator {

// Dwords to skip after the packet.
struct Skip {
  uint32_t dwords = 0;
};
using Condition = std::variant<Skip, Hang>;

// COND_EXEC and COND_REG_EXEC (abi D.3): skip what follows unless true.
Condition CondExec(CpState& state, Payload payload);
Condition CondRegExec(CpState& state, Payload payload);

// REG_TEST: sets the predicate bits that COND_REG_EXEC tests.
Hang RegTest(CpState& state, Payload payload);

// DRAW_PRED_*: whether draws and dispatches happen at all.
Hang DrawPredEnableGlobal(CpState& state, Payload payload);
Hang DrawPredEnableLocal(CpState& state, Payload payload);
Hang DrawPredSet(CpState& state, Payload payload);

// SET_MARKER and THREAD_CONTROL: what COND_REG_EXEC compares with.
Hang SetMarker(CpState& state, Payload payload);
Hang ThreadControl(CpState& state, Payload payload);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_CONDITION_PACKETS_H_
