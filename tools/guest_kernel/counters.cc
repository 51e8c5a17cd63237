#include "tools/guest_kernel/counters.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace nacre::guest_kernel {

std::vector<std::pair<std::string, uint64_t>> DriverCounters::Named() const {
  return {
      {"commands", commands.value()},
      {"submissions", submissions.value()},
      {"kicks", kicks.value()},
      {"kicks_suppressed", kicks_suppressed.value()},
      {"interrupts", interrupts.value()},
      {"reaped", reaped.value()},
      {"reaped_most", reaped_at_once.peak()},
      {"error_responses", error_responses.value()},
      {"round_trips", round_trips.value()},
      {"queue_full_waits", queue_full_waits.value()},
      {"fences", fences.value()},
      {"fence_waits", fence_waits.value()},
      {"wake_ups", wake_ups.value()},
  };
}

std::string CountersJson(const DriverCounters& counters) {
  return absl::StrCat("{",
                      absl::StrJoin(counters.Named(), ", ",
                                    [](std::string* out, const auto& count) {
                                      absl::StrAppend(out, "\"", count.first,
                                                      "\": \"", count.second,
                                                      "\"");
                                    }),
                      "}");
}

}  // namespace nacre::guest_kernel
