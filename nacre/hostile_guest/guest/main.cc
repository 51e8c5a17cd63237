// A guest that is nothing but hostile: it makes every attack of Attack in turn,
// as many rounds as its command line says, and ends as a driver that behaves.
// With "loses=1" it only behaves, until it has lost its device.

#include "nacre/hostile_guest/guest/attacks.h"
#include "nacre/hostile_guest/guest/machine.h"

namespace nacre::hostile_guest {
namespace {

constexpr struct {
  Attack attack;
  void (*run)(Attacker&);
} kAttackTable[] = {
    {Attack::kConfigSpace, AttackConfigSpace},
    {Attack::kConfigWindow, AttackConfigWindow},
    {Attack::kMovingBars, AttackMovingBars},
    {Attack::kRegisters, AttackRegisters},
    {Attack::kMsixTable, AttackMsixTable},
    {Attack::kStatus, AttackStatus},
    {Attack::kLiveQueues, AttackLiveQueues},
    {Attack::kNotify, AttackNotify},
    {Attack::kDescriptorLoop, AttackDescriptorLoop},
    {Attack::kWildDescriptor, AttackWildDescriptor},
    {Attack::kWildIndirect, AttackWildIndirect},
    {Attack::kWildHead, AttackWildHead},
    {Attack::kAvailableJump, AttackAvailableJump},
    {Attack::kRingsElsewhere, AttackRingsElsewhere},
    {Attack::kCursorChain, AttackCursorChain},
    {Attack::kRandomCommand, AttackRandomCommand},
    {Attack::kShortCommand, AttackShortCommand},
    {Attack::kHugeCount, AttackHugeCount},
    {Attack::kRandomCcmd, AttackRandomCcmd},
    {Attack::kRandomCursor, AttackRandomCursor},
    {Attack::kUnmappedWindow, AttackUnmappedWindow},
    {Attack::kUnmapInUse, AttackUnmapInUse},
    {Attack::kRacingRings, AttackRacingRings},
    {Attack::kRacingRequests, AttackRacingRequests},
    {Attack::kRacingCcmds, AttackRacingCcmds},
    {Attack::kRacingControlMemory, AttackRacingControlMemory},
    {Attack::kRacingStreams, AttackRacingStreams},
    {Attack::kRacingRegisters, AttackRacingRegisters},
    {Attack::kRacingReset, AttackRacingReset},
};
static_assert(sizeof(kAttackTable) / sizeof(kAttackTable[0]) == kAttacks);

// Whether the device serves a driver as if nothing had been.
bool Serves(Gpu& gpu) {
  return gpu.Probe() && gpu.Start() &&
         gpu.Call(&kGetDisplayInfo, sizeof(kGetDisplayInfo)) ==
             static_cast<uint32_t>(wire::Type::kOkDisplayInfo);
}

// Until somebody ends the device, which is told of (virtio 1.3, 2.1.2), can be
// reset, and does not come back; the guest itself goes on.
void LoseDevice(Gpu& gpu) {
  HOSTILE_EXPECT(Serves(gpu));
  Print('!');
  while (gpu.Call(&kGetDisplayInfo, sizeof(kGetDisplayInfo)) ==
         static_cast<uint32_t>(wire::Type::kOkDisplayInfo)) {
  }
  HOSTILE_EXPECT(gpu.ending() == Ending::kBroken);
  HOSTILE_EXPECT(gpu.Reset());
  HOSTILE_EXPECT(!gpu.Start());
  PowerOff(tally().failures == 0 ? 0 : 1);
}

// `number` from "name=number" on the command line, or `otherwise`.
uint64_t NumberIn(const char* text, const char* name, uint64_t otherwise) {
  if (text == nullptr) return otherwise;
  for (; *text != 0; ++text) {
    size_t length = 0;
    while (name[length] != 0 && text[length] == name[length]) ++length;
    if (name[length] != 0 || text[length] != '=') continue;
    uint64_t number = 0;
    for (text += length + 1; *text >= '0' && *text <= '9'; ++text) {
      number = number * 10 + static_cast<uint64_t>(*text - '0');
    }
    return number;
  }
  return otherwise;
}

constinit Gpu gpu;

}  // namespace

void Expect(bool holds, const char* file, uint64_t line) {
  if (holds || tally().failures++ != 0) return;
  tally().first_failure_line = line;
  uint64_t length = 0;
  while (file[length] != 0) ++length;
  // The end of a long path says more.
  constexpr uint64_t kRoom = sizeof(Tally::first_failure_file) - 1;
  const uint64_t from = length > kRoom ? length - kRoom : 0;
  for (uint64_t i = from; i < length; ++i) {
    tally().first_failure_file[i - from] = file[i];
  }
}

extern "C" [[noreturn]] void GuestMain(uint64_t boot_parameters) {
  const char* const command_line = CommandLine(boot_parameters);
  Random random(NumberIn(command_line, "seed", 1));
  const uint64_t rounds = NumberIn(command_line, "rounds", 1);
  tally().magic = Tally::kMagic;
  if (NumberIn(command_line, "loses", 0) != 0) LoseDevice(gpu);
  for (uint64_t round = 0; round < rounds; ++round) {
    for (const auto& [attack, run] : kAttackTable) {
      HOSTILE_EXPECT(Serves(gpu));
      // Each by its own numbers: one that is changed changes no other.
      Random own(random.Next());
      Attacker attacker = {gpu, own, attack};
      run(attacker);
    }
  }
  HOSTILE_EXPECT(Serves(gpu));
  HOSTILE_EXPECT(gpu.Reset());
  PowerOff(tally().failures == 0 ? 0 : 1);
}

}  // namespace nacre::hostile_guest
