#ifndef NACRE_NACRE_HOSTILE_GUEST_TALLY_H_
#define NACRE_NACRE_HOSTILE_GUEST_TALLY_H_

#include <cstdint>

// What the hostile guest leaves in its memory for the test that ran it.
namespace nacre::hostile_guest {

enum class Attack : uint32_t {
  // Of the transport.
  kConfigSpace,   // Any value into any register of configuration space.
  kConfigWindow,  // The window of 4.1.4.9 with wild targets.
  kMovingBars,    // BARs over RAM, over each other, nowhere.
  kRegisters,     // Accesses of every size all over BAR 0.
  kMsixTable,     // Wild messages and masks while interrupts come.
  kStatus,        // Status writes in any order.
  kLiveQueues,    // Queue registers rewritten while requests are out.
  kNotify,        // Kicks of queues that are none, by wild values.
  // Of the queues.
  kDescriptorLoop,
  kWildDescriptor,  // Addresses and lengths outside of RAM, that wrap.
  kWildIndirect,
  kWildHead,
  kAvailableJump,
  kRingsElsewhere,  // In the window, in registers, outside of everything.
  kCursorChain,     // Loops, no bytes, answers first; on the cursor queue.
  // Of the device.
  kRandomCommand,
  kShortCommand,  // Cut anywhere, also in its response.
  kHugeCount,
  kRandomCcmd,
  kRandomCursor,  // Any request on the cursor queue.
  // Of the window.
  kUnmappedWindow,  // Reads and writes where nothing is mapped.
  kUnmapInUse,      // A second vCPU writes while blobs come and go.
  // By a second vCPU, while the device reads.
  kRacingRings,
  kRacingRequests,
  kRacingCcmds,
  kRacingControlMemory,
  kRacingStreams,  // What the GPU executes.
  kRacingRegisters,
  kRacingReset,
  kCount,
};
inline constexpr uint32_t kAttacks = static_cast<uint32_t>(Attack::kCount);

struct Tally {
  static constexpr uint64_t kOffset = 0x2000000;  // From the start of RAM.
  static constexpr uint64_t kMagic = 0x656c6974736f68;

  uint64_t magic;
  // Expectations of the guest that did not hold, and the first one's place.
  uint64_t failures;
  uint64_t first_failure_line;
  char first_failure_file[64];
  // Of each attack: how often it was made, how often the device answered
  // something meanwhile, how often that was an error, and how often it said
  // NEEDS_RESET.
  struct Count {
    uint64_t attempts;
    uint64_t answers;
    uint64_t errors;
    uint64_t broken;
  } attacks[kAttacks];
  // Writes by the second vCPU.
  uint64_t second_cpu_writes;
};

}  // namespace nacre::hostile_guest

#endif  // NACRE_NACRE_HOSTILE_GUEST_TALLY_H_
