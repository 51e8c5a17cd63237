#ifndef NACRE_SIMULATOR_WAIT_PACKETS_H_
#define NACRE_SIMULATOR_WAIT_PACKETS_H_

#include "simulator/cp_state.h"

namespace nacre::simulator {

// The packets that compare, and wait or write by the result (abi D.3).
//
// A wait polls without burning the CPU, because what it waits for may come from
// another CPU (vkSetEvent). One that is not satisfied within the hang timeout
// is a hang.

Hang WaitRegMem(CpState& state, Payload payload);
// a6xx; WaitTimestamp has its opcode on a7xx.
Hang WaitMemGte(CpState& state, Payload payload);
Hang WaitTimestamp(CpState& state, Payload payload);
Hang WaitTwoRegs(CpState& state, Payload payload);
Hang CondWrite5(CpState& state, Payload payload);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_WAIT_PACKETS_H_
