#include "simulator/stats.h"

namespace nacre::simulator {

void CommandProcessorStats::Add(const CommandProcessorStats& other) {
  packets += other.packets;
  indirect_buffers += other.indirect_buffers;
  memory_writes += other.memory_writes;
  blits += other.blits;
  blit_pixels += other.blit_pixels;
  clears += other.clears;
  loads += other.loads;
  stores += other.stores;
  tile_pixels += other.tile_pixels;
  draws_not_executed += other.draws_not_executed;
  dispatches_not_executed += other.dispatches_not_executed;
  blits_not_executed += other.blits_not_executed;
  resolves_not_executed += other.resolves_not_executed;
  for (const auto& [name, count] : other.packets_not_executed) {
    packets_not_executed[name] += count;
  }
  unmapped_reads += other.unmapped_reads;
  unmapped_writes += other.unmapped_writes;
  for (const auto& [reason, count] : other.hangs) hangs[reason] += count;
}

}  // namespace nacre::simulator
