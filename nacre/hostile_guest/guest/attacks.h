#ifndef NACRE_NACRE_HOSTILE_GUEST_GUEST_ATTACKS_H_
#define NACRE_NACRE_HOSTILE_GUEST_GUEST_ATTACKS_H_

#include <cstdint>

#include "nacre/hostile_guest/guest/gpu.h"
#include "nacre/hostile_guest/guest/machine.h"
#include "nacre/hostile_guest/guest/random.h"
#include "nacre/hostile_guest/tally.h"

namespace nacre::hostile_guest {

inline Tally& tally() {
  return *reinterpret_cast<Tally*>(kRamStart + Tally::kOffset);
}

// Notes a failure of the device to keep its side.
void Expect(bool holds, const char* file, uint64_t line);
#define HOSTILE_EXPECT(condition) Expect((condition), __FILE__, __LINE__)

// What attacks need. Each one begins with a driver that has just started and
// may leave anything behind but a BAR in another place: the device is reset
// after it.
struct Attacker {
  Gpu& gpu;
  Random& random;
  Attack attack;

  // One attempt is made.
  void Attempt() { ++Count().attempts; }
  // How a call or a wait ended.
  void Note(Ending ending, uint32_t type = 0);
  uint32_t Call(const void* request, size_t size, uint32_t room = 512);
  // Calls that are no attack and must succeed.
  void MustCall(const void* request, size_t size);
  // Starts the driver anew if it must.
  void Mend();

  Tally::Count& Count() {
    return tally().attacks[static_cast<uint32_t>(attack)];
  }
};

void AttackConfigSpace(Attacker& attacker);
void AttackConfigWindow(Attacker& attacker);
void AttackMovingBars(Attacker& attacker);
void AttackRegisters(Attacker& attacker);
void AttackMsixTable(Attacker& attacker);
void AttackStatus(Attacker& attacker);
void AttackLiveQueues(Attacker& attacker);
void AttackNotify(Attacker& attacker);

void AttackDescriptorLoop(Attacker& attacker);
void AttackWildDescriptor(Attacker& attacker);
void AttackWildIndirect(Attacker& attacker);
void AttackWildHead(Attacker& attacker);
void AttackAvailableJump(Attacker& attacker);
void AttackRingsElsewhere(Attacker& attacker);
void AttackCursorChain(Attacker& attacker);

void AttackRandomCommand(Attacker& attacker);
void AttackShortCommand(Attacker& attacker);
void AttackHugeCount(Attacker& attacker);
void AttackRandomCcmd(Attacker& attacker);
void AttackRandomCursor(Attacker& attacker);

void AttackUnmappedWindow(Attacker& attacker);
void AttackUnmapInUse(Attacker& attacker);

// With the second vCPU.
void AttackRacingRings(Attacker& attacker);
void AttackRacingRequests(Attacker& attacker);
void AttackRacingCcmds(Attacker& attacker);
void AttackRacingControlMemory(Attacker& attacker);
void AttackRacingStreams(Attacker& attacker);
void AttackRacingRegisters(Attacker& attacker);
void AttackRacingReset(Attacker& attacker);

}  // namespace nacre::hostile_guest

#endif  // NACRE_NACRE_HOSTILE_GUEST_GUEST_ATTACKS_H_
