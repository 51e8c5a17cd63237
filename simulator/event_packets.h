#ifndef NACRE_SIMULATOR_EVENT_PACKETS_H_
#define NACRE_SIMULATOR_EVENT_PACKETS_H_

#include "simulator/cp_state.h"

namespace nacre::simulator {

// CP_EVENT_WRITE of a6xx, CP_EVENT_WRITE7 of a7xx (abi D.4): the write that
// drivers' fences and timestamps are made of, and the events that do something
// themselves: see gmem.h. The GPU is idle between packets, so the event is
// complete at once. Counts of samples and primitives are 0, as no draw
// executes; they are written, because drivers wait for the write.
Hang EventWrite(CpState& state, Payload payload);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_EVENT_PACKETS_H_
