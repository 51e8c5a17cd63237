#include "nacre/hostile_guest/guest/attacks.h"

namespace nacre::hostile_guest {

void Attacker::Note(Ending ending, uint32_t type) {
  Tally::Count& count = Count();
  if (ending == Ending::kBroken) ++count.broken;
  if (ending != Ending::kAnswered) return;
  ++count.answers;
  if (type >= static_cast<uint32_t>(wire::Type::kErrUnspec)) ++count.errors;
}

uint32_t Attacker::Call(const void* request, size_t size, uint32_t room) {
  Attempt();
  const uint32_t type = gpu.Call(request, size, room);
  Note(gpu.ending(), type);
  return type;
}

void Attacker::MustCall(const void* request, size_t size) {
  const uint32_t type = gpu.Call(request, size);
  HOSTILE_EXPECT(type >= static_cast<uint32_t>(wire::Type::kOkNodata) &&
                 type < static_cast<uint32_t>(wire::Type::kErrUnspec));
}

void Attacker::Mend() {
  if (gpu.broken()) HOSTILE_EXPECT(gpu.Start());
}

}  // namespace nacre::hostile_guest
