#include "tools/preload/summary.h"

#include <cstdint>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace nacre::preload {
namespace {

using Counts = std::map<std::string, uint64_t>;

// 64-bit numbers are strings in protobuf's JSON. No name needs escapes.
std::string Member(const std::string& name, uint64_t value) {
  return absl::StrCat("\"", name, "\": \"", value, "\"");
}

// Of those that are not 0.
std::string Member(const std::string& name, Counts counts) {
  std::erase_if(counts, [](const auto& count) { return count.second == 0; });
  return absl::StrCat(
      "\"", name, "\": {",
      absl::StrJoin(counts, ", ",
                    [](std::string* out, const auto& count) {
                      absl::StrAppend(out, Member(count.first, count.second));
                    }),
      "}");
}

}  // namespace

std::string SimulatorJson(const simulator::SimulatorStats& stats) {
  const simulator::CommandProcessorStats& processor = stats.command_processor;
  const Counts executed = {
      {"blits", processor.blits},   {"pixels of blits", processor.blit_pixels},
      {"clears", processor.clears}, {"loads", processor.loads},
      {"stores", processor.stores}, {"pixels of tiles", processor.tile_pixels}};
  Counts not_executed = processor.packets_not_executed;
  not_executed["draws"] = processor.draws_not_executed;
  not_executed["dispatches"] = processor.dispatches_not_executed;
  not_executed["blits"] = processor.blits_not_executed;
  not_executed["resolves"] = processor.resolves_not_executed;
  const std::string members[] = {
      Member("submissions", stats.submissions),
      Member("packets", processor.packets),
      Member("buffers_peak_bytes", stats.buffer_bytes_peak),
      Member("buffers_now", stats.buffers),
      Member("files_now", stats.files_open),
      Member("hangs", stats.faults),
      Member("unmapped_accesses",
             processor.unmapped_reads + processor.unmapped_writes),
      Member("executed", executed),
      Member("not_executed", not_executed),
  };
  return absl::StrCat("{\n ", absl::StrJoin(members, ",\n "), "\n}");
}

}  // namespace nacre::preload
