#include "nacre/summary.h"

#include <cstdint>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/errno_status.h"
#include "google/protobuf/map.h"
#include "google/protobuf/util/json_util.h"

namespace nacre {
namespace {

// In alphabetical order: a protobuf map has none of its own.
std::string Counts(const google::protobuf::Map<std::string, uint64_t>& counts) {
  const std::map<std::string, uint64_t> sorted(counts.begin(), counts.end());
  if (sorted.empty()) return "none";
  return absl::StrJoin(sorted, ", ", absl::PairFormatter(" "));
}

std::string Mebibytes(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

void AppendLine(std::string& text, const std::string& line) {
  absl::StrAppend(&text, "nacre: ", line, "\n");
}

void AppendGpu(std::string& text, const GpuSummary& gpu) {
  AppendLine(text, absl::StrCat("gpu ", gpu.device()));
  if (gpu.has_failure()) {
    AppendLine(text,
               absl::StrCat("  its process ended early: ", gpu.failure()));
  }
  AppendLine(text, absl::StrCat("  contexts: ", gpu.contexts_created(),
                                " created, ", gpu.contexts_now(), " now (",
                                gpu.native_contexts_now(), " native)"));
  AppendLine(text, absl::StrCat("  resources: ", gpu.resources_created(),
                                " created, ", gpu.resources_now(), " now"));
  AppendLine(text,
             absl::StrCat("  GEM objects: ", gpu.gem_objects_now(), " now"));
  AppendLine(text, absl::StrCat("  submissions: ", gpu.submissions()));
  AppendLine(text, absl::StrCat("  fences: ", gpu.fences_created(),
                                " created, ", gpu.fences_completed(),
                                " completed, ", gpu.fences_now(), " now"));
  AppendLine(text, absl::StrCat("  ccmds: ", Counts(gpu.ccmds())));
  AppendLine(text, absl::StrCat("  ccmd errors: ", Counts(gpu.ccmd_errors())));
  AppendLine(text, absl::StrCat("  commands: ", Counts(gpu.commands())));
  AppendLine(text, absl::StrCat("  error responses: ", Counts(gpu.errors())));
  AppendLine(text, absl::StrCat("  kicks: ", gpu.kicks(),
                                ", interrupts: ", gpu.interrupts()));
  AppendLine(text,
             absl::StrCat("  mapped: ", Mebibytes(gpu.mapped_bytes_peak()),
                          " at peak, ", gpu.mapped_bytes_now(), " bytes now"));
  if (!gpu.has_simulator()) return;
  const SimulatorSummary& simulator = gpu.simulator();
  AppendLine(text, absl::StrCat("  simulated GPU: ", simulator.submissions(),
                                " submissions, ", simulator.packets(),
                                " packets, ", simulator.hangs(), " hangs, ",
                                simulator.unmapped_accesses(),
                                " accesses where no buffer is"));
  AppendLine(text,
             absl::StrCat("  simulated GPU buffers: ",
                          Mebibytes(simulator.buffers_peak_bytes()),
                          " at peak, ", simulator.buffers_now(), " buffers in ",
                          simulator.files_now(), " files now"));
  AppendLine(text, absl::StrCat("  simulated GPU executed: ",
                                Counts(simulator.executed())));
  AppendLine(text, absl::StrCat("  simulated GPU did not execute: ",
                                Counts(simulator.not_executed())));
}

}  // namespace

std::string SummaryText(const VmSummary& summary) {
  std::string text;
  AppendLine(
      text, absl::StrCat("outcome: ", summary.outcome(), "; guest status ",
                         summary.guest_status(), ", reboots ", summary.resets(),
                         ", exit code ", summary.exit_code()));
  AppendLine(
      text,
      absl::StrFormat("first guest instruction: %.1f ms after start; own "
                      "memory beyond guest RAM: %.1f MiB",
                      static_cast<double>(summary.first_instruction_us()) / 1e3,
                      static_cast<double>(summary.own_memory_kib()) / 1024));
  AppendLine(text, absl::StrCat("exits: ", Counts(summary.exits())));
  if (summary.has_gpu()) AppendGpu(text, summary.gpu());
  AppendLine(text, absl::StrCat("descriptors: ", summary.fds_before(),
                                " before, ", summary.fds_after(), " after"));
  return text;
}

absl::Status WriteSummary(const VmSummary& summary, const std::string& path) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(summary, &json, options)
           .ok()) {
    return absl::InternalError("the summary has no JSON form");
  }
  std::ofstream file(path);
  file << json;
  file.close();
  if (!file) {
    return ErrnoStatus(absl::StrCat("cannot write the summary to ", path));
  }
  return absl::OkStatus();
}

}  // namespace nacre
