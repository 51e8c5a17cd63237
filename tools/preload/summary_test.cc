#include "tools/preload/summary.h"

#include <string>

#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "nacre/gpu_counters.h"

namespace nacre::preload {
namespace {

// The summary as nacre's own message, which has to take all of it.
SimulatorSummary Parse(const std::string& json) {
  SimulatorSummary summary;
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, &summary);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << json;
  return summary;
}

// What nacre's summary says of the same numbers.
SimulatorSummary Expected(const simulator::SimulatorStats& stats) {
  SimulatorSummary summary;
  AddSimulatorCounters(stats, summary);
  return summary;
}

void ExpectSame(const simulator::SimulatorStats& stats) {
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(
      Parse(SimulatorJson(stats)), Expected(stats)))
      << SimulatorJson(stats) << Expected(stats).DebugString();
}

TEST(SummaryTest, SaysWhatNacreSays) {
  simulator::SimulatorStats stats;
  // Every number is another one.
  uint64_t value = uint64_t{1} << 40;
  simulator::CommandProcessorStats& processor = stats.command_processor;
  for (uint64_t* const number :
       {&processor.packets,
        &processor.indirect_buffers,
        &processor.memory_writes,
        &processor.blits,
        &processor.blit_pixels,
        &processor.clears,
        &processor.loads,
        &processor.stores,
        &processor.tile_pixels,
        &processor.draws_not_executed,
        &processor.dispatches_not_executed,
        &processor.blits_not_executed,
        &processor.resolves_not_executed,
        &processor.packets_not_executed["CP_START_BIN"],
        &processor.packets_not_executed["CP_UNKNOWN_0x7b"],
        &processor.unmapped_reads,
        &processor.unmapped_writes,
        &stats.submissions,
        &stats.submissions_retired,
        &stats.files_open,
        &stats.faults,
        &stats.buffers,
        &stats.buffers_peak,
        &stats.buffer_bytes,
        &stats.buffer_bytes_peak}) {
    *number = value;
    value += value / 7;
  }
  ExpectSame(stats);
}

TEST(SummaryTest, SaysNothingOfWhatDidNotHappen) {
  ExpectSame(simulator::SimulatorStats());
}

}  // namespace
}  // namespace nacre::preload
