// Runs Soak, with a line of progress every ten seconds, and says what is left
// of it: exit code 0 where that is nothing.
//   soak [SECONDS [CONTEXTS]]

#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "nacre/stress/soak.h"

namespace {

void Print(const nacre::SoakHoldings& holdings) {
  std::cout << holdings.held << " of files (of " << holdings.all_mappings
            << "), " << holdings.resident_kib << " KiB resident, "
            << holdings.heap_bytes / 1024 << " KiB of heap in use\n";
}

void Print(const nacre::SoakReport& report) {
  std::cout << report.time.count() << " s: " << report.contexts << " contexts, "
            << report.objects << " objects, " << report.blobs << " resources, "
            << report.submissions << " submissions, " << report.fences
            << " fences, " << report.answers << " answers, " << report.resets
            << " resets; " << report.after.held.fds << " descriptors, "
            << report.after.resident_kib << " KiB" << std::endl;
}

// The heap's pages come and go; a leak of a byte a context would be more.
constexpr uint64_t kSlackKib = 512;
constexpr size_t kSlackMappings = 16;

}  // namespace

int main(int argc, char** argv) {
  nacre::SoakOptions options;
  if (argc > 1) options.duration = std::chrono::seconds(std::atoll(argv[1]));
  if (argc > 2) options.contexts = std::strtoull(argv[2], nullptr, 10);
  const nacre::SoakReport report =
      nacre::Soak(options, [](const nacre::SoakReport& r) { Print(r); });
  Print(report);
  std::cout << "before: ";
  Print(report.before);
  std::cout << "after:  ";
  Print(report.after);
  const nacre::SoakHoldings& a = report.before;
  const nacre::SoakHoldings& b = report.after;
  const bool same = report.left == 0 && a.held == b.held &&
                    b.all_mappings <= a.all_mappings + kSlackMappings &&
                    b.heap_bytes <= a.heap_bytes + kSlackKib * 1024 &&
                    b.resident_kib <= a.resident_kib + 4 * kSlackKib;
  std::cout << (same ? "the same at the end as at the start\n"
                     : "NOT the same at the end as at the start\n");
  return same ? 0 : 1;
}
