#ifndef NACRE_SIMULATOR_GMEM_H_
#define NACRE_SIMULATOR_GMEM_H_

#include "simulator/cp_state.h"

namespace nacre::simulator {

// The blit event (vgt_event_type 30: BLIT of a6xx, CCU_RESOLVE of a7xx), which
// a tiler's passes begin and end with: it loads a tile into GMEM, stores one,
// resolves its samples on the way, or clears it. a7xx may clear memory, too.
// Everything is said by registers, RB_BLIT_* of Mesa's a6xx.xml; abi D.5.
//
// The tile is that of RB_BIN_CONTROL, at RB_WINDOW_OFFSET of the picture; of it
// the part within RB_BLIT_SCISSOR is touched. In GMEM a pixel is its samples,
// one after the other, always in WZYX order, in rows of the tile's width.
//
// What is stored with fewer samples than GMEM has is their average, rounded to
// nearest, or the first one: of integers, depth and stencil, and if the driver
// says so. Channels are averaged as they are stored, sRGB encoded ones as well,
// which is why Mesa resolves floats with the 2D engine instead.
//
// An event that names no format known here, or a tile beyond the end of GMEM,
// counts in `resolves_not_executed` and does nothing; addresses of memory are
// checked like any other's, row by row. What it touches is work that the
// submission is charged for: kWorkLimit if that is too much; kDeviceGone once
// the device is destroyed; else kNone.
Hang BlitEvent(CpState& state);

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_GMEM_H_
