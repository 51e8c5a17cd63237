#ifndef NACRE_TOOLS_PRELOAD_SUMMARY_H_
#define NACRE_TOOLS_PRELOAD_SUMMARY_H_

#include <string>

#include "simulator/stats.h"

namespace nacre::preload {

// The numbers as nacre's SimulatorSummary (proto/vm_summary.proto) has them, as
// that message's JSON. Written without protobuf, of which the program may have
// another version.
std::string SimulatorJson(const simulator::SimulatorStats& stats);

}  // namespace nacre::preload

#endif  // NACRE_TOOLS_PRELOAD_SUMMARY_H_
