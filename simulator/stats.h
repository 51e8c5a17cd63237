#ifndef NACRE_SIMULATOR_STATS_H_
#define NACRE_SIMULATOR_STATS_H_

#include <cstdint>
#include <map>
#include <string>

namespace nacre::simulator {

// What the command processor did, in numbers since the device was made.
struct CommandProcessorStats {
  uint64_t packets = 0;
  uint64_t indirect_buffers = 0;  // Draw-state groups among them.
  uint64_t memory_writes = 0;     // Dwords.

  uint64_t blits = 0;        // CP_BLIT, the 2D engine.
  uint64_t blit_pixels = 0;  // Written by it.

  // What the blit event did: tiles cleared, loaded into GMEM, stored from it.
  uint64_t clears = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t tile_pixels = 0;  // In all of these; each sample is one.

  // Work that was parsed, and its targets left as they were.
  uint64_t draws_not_executed = 0;
  uint64_t dispatches_not_executed = 0;
  uint64_t blits_not_executed = 0;     // Also below, by what is missing.
  uint64_t resolves_not_executed = 0;  // GMEM clears, loads, stores.
  // Other packets without effect here although hardware gives them one, by
  // name ("CP_START_BIN", "CP_UNKNOWN_0x7b").
  std::map<std::string, uint64_t> packets_not_executed;

  // SMMU faults: accesses where no buffer is. Reads gave 0, writes nothing.
  uint64_t unmapped_reads = 0;
  uint64_t unmapped_writes = 0;
  // Submissions that were ended early, by reason ("wrong parity"). Each counts
  // in the faults of its queue and its file, as a hang does in the kernel.
  std::map<std::string, uint64_t> hangs;

  uint64_t pixels() const { return blit_pixels + tile_pixels; }
  void Add(const CommandProcessorStats& other);
};

// A consistent enough picture for a summary: every number was true once.
struct SimulatorStats {
  CommandProcessorStats command_processor;
  uint64_t submissions = 0;
  uint64_t submissions_retired = 0;
  uint64_t files_open = 0;
  uint64_t faults = 0;  // Sum of `hangs`.

  // GEM objects with a handle or an unretired submission.
  uint64_t buffers = 0;
  uint64_t buffers_peak = 0;
  uint64_t buffer_bytes = 0;
  uint64_t buffer_bytes_peak = 0;
};

}  // namespace nacre::simulator

#endif  // NACRE_SIMULATOR_STATS_H_
