#include "simulator/cp_state.h"

namespace nacre::simulator {

absl::string_view HangName(Hang hang) {
  switch (hang) {
    case Hang::kNone:
      return "none";
    case Hang::kPacketType:
      return "packet of no known type";
    case Hang::kParity:
      return "wrong parity";
    case Hang::kReservedBits:
      return "reserved header bits set";
    case Hang::kShortPacket:
      return "packet too short for its opcode";
    case Hang::kPacketBeyondBuffer:
      return "packet beyond its buffer";
    case Hang::kNesting:
      return "buffers nested too deep";
    case Hang::kWorkLimit:
      return "too much work";
    case Hang::kWait:
      return "wait that nothing satisfied";
    case Hang::kTime:
      return "more modelled time than a submission may take";
    case Hang::kDeviceGone:
      return "device destroyed";
  }
  return "unknown";
}

}  // namespace nacre::simulator
