#include "tools/preload/summary.h"

#include <cstdint>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace nacre::preload {
namespace {

// 64-bit numbers are strings in protobuf's JSON. No name needs escapes.
std::string Member(const std::string& name, uint64_t value) {
  return absl::StrCat("\"", name, "\": \"", value, "\"");
}

}  // namespace

std::string SummaryJson(const simulator::SimulatorStats& stats) {
  const simulator::CommandProcessorStats& processor = stats.command_processor;
  std::map<std::string, uint64_t> left = processor.packets_not_executed;
  left["draws"] = processor.draws_not_executed;
  left["dispatches"] = processor.dispatches_not_executed;
  left["blits"] = processor.blits_not_executed;
  left["resolves"] = processor.resolves_not_executed;
  std::erase_if(left, [](const auto& count) { return count.second == 0; });
  const std::string not_executed =
      absl::StrJoin(left, ",\n  ", [](std::string* out, const auto& count) {
        absl::StrAppend(out, Member(count.first, count.second));
      });
  return absl::StrCat("{\n ", Member("submissions", stats.submissions), ",\n ",
                      Member("packets", processor.packets), ",\n ",
                      Member("buffersPeakBytes", stats.buffer_bytes_peak),
                      ",\n ", Member("buffersNow", stats.buffers), ",\n ",
                      Member("filesNow", stats.files_open), ",\n ",
                      Member("hangs", stats.faults), ",\n ",
                      Member("unmappedAccesses", processor.unmapped_reads +
                                                     processor.unmapped_writes),
                      ",\n \"notExecuted\": {\n  ", not_executed, "\n }\n}\n");
}

}  // namespace nacre::preload
