#ifndef NACRE_SIMULATOR_BLIT_2D_H_
#define NACRE_SIMULATOR_BLIT_2D_H_

#include "simulator/cp_state.h"

namespace nacre::simulator {

// CP_BLIT, the 2D engine: fills a rectangle, or copies one with conversion of
// its format, scaling, turning, and a multisampled source's resolution. Fills
// and copies differ by a register, not by the packet's OP (abi D.5); layers
// and levels are blits of their own.
//
// Writes before a fault stay; nothing outside the surfaces' mapped buffers is
// reached. Work is spent by what is read and written, before either.
Hang Blit(CpState& state, Payload payload);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_BLIT_2D_H_
