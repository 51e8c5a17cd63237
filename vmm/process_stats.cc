#include "vmm/process_stats.h"

#include <time.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace nacre::vmm {
namespace {

absl::Duration MonotonicNow() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

// Set before main.
const absl::Duration kProcessStart = MonotonicNow();

}  // namespace

absl::Duration TimeSinceProcessStart() {
  return MonotonicNow() - kProcessStart;
}

absl::StatusOr<uint64_t> OwnMemoryBytes() {
  return MemoryBytesOf("/proc/self");
}

absl::StatusOr<uint64_t> MemoryBytesOf(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/status");
  std::ifstream status(path);
  uint64_t total = 0;
  int found = 0;
  for (std::string line; std::getline(status, line);) {
    absl::string_view value = line;
    if (!absl::ConsumePrefix(&value, "RssAnon:") &&
        !absl::ConsumePrefix(&value, "RssFile:")) {
      continue;
    }
    uint64_t kibibytes = 0;
    if (absl::ConsumeSuffix(&value, "kB") &&
        absl::SimpleAtoi(value, &kibibytes)) {
      total += kibibytes * 1024;
      ++found;
    }
  }
  if (found != 2) {
    return absl::UnavailableError(
        absl::StrCat(path, " has no RssAnon and RssFile: mount /proc"));
  }
  return total;
}

}  // namespace nacre::vmm
