#ifndef NACRE_SIMULATOR_MEMORY_PACKETS_H_
#define NACRE_SIMULATOR_MEMORY_PACKETS_H_

#include "simulator/cp_state.h"

namespace nacre::simulator {

// The packets that move dwords between immediates, registers, scratch and
// memory (abi D.3; Mesa adreno_pm4.xml). Memory is up to date at once, so the
// waits for memory writes that some of them can ask for are nothing here.

Hang MemWrite(CpState& state, Payload payload);
Hang RegToMem(CpState& state, Payload payload);
Hang RegToMemOffsetReg(CpState& state, Payload payload);
Hang RegToMemOffsetMem(CpState& state, Payload payload);
Hang MemToReg(CpState& state, Payload payload);
Hang MemToMem(CpState& state, Payload payload);
Hang Memcpy(CpState& state, Payload payload);
Hang MemToScratchMem(CpState& state, Payload payload);
Hang RegRmw(CpState& state, Payload payload);
Hang RegWrite(CpState& state, Payload payload);
Hang RegToScratch(CpState& state, Payload payload);
Hang ScratchToReg(CpState& state, Payload payload);
Hang ScratchWrite(CpState& state, Payload payload);
// Pairs of register and value: CONTEXT_REG_BUNCH, REG_WR_NO_CTXT.
Hang RegBunch(CpState& state, Payload payload);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_MEMORY_PACKETS_H_
