#include "nacre/foreign_summary.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "google/protobuf/map.h"

namespace nacre {
namespace {

// Attack stopped: lines of our own output, forged by names of counters.
bool IsPlain(const google::protobuf::Map<std::string, uint64_t>& counters) {
  constexpr size_t kMaxName = 256;
  return std::all_of(counters.begin(), counters.end(), [](const auto& counter) {
    const std::string& name = counter.first;
    return name.size() <= kMaxName &&
           std::all_of(name.begin(), name.end(), absl::ascii_isprint);
  });
}
bool IsPlain(const GpuSummary& summary) {
  return IsPlain(summary.commands()) && IsPlain(summary.errors()) &&
         IsPlain(summary.ccmds()) && IsPlain(summary.ccmd_errors()) &&
         IsPlain(summary.simulator().not_executed()) &&
         IsPlain(summary.simulator().executed());
}

}  // namespace

GpuSummary ParseForeignSummary(const std::string& bytes) {
  GpuSummary summary;
  if (!summary.ParseFromString(bytes) || !IsPlain(summary)) summary.Clear();
  // They have their place in protobuf's text format.
  summary.DiscardUnknownFields();
  summary.clear_device();
  summary.clear_failure();
  return summary;
}

}  // namespace nacre
