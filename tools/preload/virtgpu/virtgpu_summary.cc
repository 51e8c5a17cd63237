#include "tools/preload/virtgpu/virtgpu_summary.h"

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/preload/summary.h"

namespace nacre::preload {
namespace {

using NamedCounts = std::initializer_list<std::pair<const char*, uint64_t>>;

std::string Object(NamedCounts counts) {
  return absl::StrCat("{",
                      absl::StrJoin(counts, ", ",
                                    [](std::string* out, const auto& count) {
                                      absl::StrAppend(out, "\"", count.first,
                                                      "\": \"", count.second,
                                                      "\"");
                                    }),
                      "}");
}

// The names are those of nacre's GpuSummary, where that has them.
std::string DeviceJson(const virtio_gpu::Stats& stats) {
  return Object({
      {"commands", stats.total_commands()},
      {"errors", stats.total_errors()},
      {"submissions", stats.submissions.value()},
      {"submission_bytes", stats.submission_bytes.value()},
      {"submissions_failed", stats.submissions_failed.value()},
      {"fences_created", stats.fences_created.value()},
      {"fences_waited", stats.fences_waited.value()},
      {"fences_completed", stats.fences_completed.value()},
      {"fences_now", stats.fences_pending.value()},
      {"kicks", stats.kicks.value()},
      {"interrupts", stats.interrupts.value()},
      {"broken_queues", stats.broken_queues.value()},
      {"contexts_created", stats.contexts_created.value()},
      {"contexts_now", stats.contexts.value()},
      {"resources_created", stats.resources_created.value()},
      {"resources_now", stats.resources.value()},
      {"mapped_bytes_now", stats.mapped_bytes.value()},
      {"mapped_bytes_peak", stats.mapped_bytes.peak()},
  });
}

std::string ExecbuffersJson(const ExecbufferCounters& counters) {
  return Object({
      {"all", counters.all.load()},
      {"synchronous", counters.synchronous.load()},
      {"waits_for_fences", counters.waits_for_fences.load()},
  });
}

}  // namespace

std::string GuestJson(const GuestStats& stats) {
  return absl::StrCat(
      "{\n\"execbuffers\": ", ExecbuffersJson(stats.execbuffers),
      ",\n\"guest\": ", guest_kernel::CountersJson(stats.driver),
      ",\n\"device\": ", DeviceJson(stats.device),
      ",\n\"simulator\": ", SimulatorJson(stats.simulator), "\n}\n");
}

}  // namespace nacre::preload
