// Runs Soak, with a line of progress every ten seconds, and says what is left
// of it: exit code 0 where that is nothing.
//   soak [--jail] [SECONDS [CONTEXTS]]

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "base/descriptor_room.h"
#include "nacre/gpu_process.h"
#include "nacre/stress/soak.h"

namespace {

void Print(const char* when, const nacre::SoakHoldings& holdings) {
  std::cout << when << holdings.held << " of files (of "
            << holdings.all_mappings << "), " << holdings.resident_kib
            << " KiB resident, " << holdings.heap_bytes / 1024
            << " KiB of heap in use\n";
}

void Print(const nacre::SoakReport& report) {
  const nacre::SoakHoldings& held =
      report.after.gpu ? *report.after.gpu : report.after.own;
  std::cout << report.time.count() << " s: " << report.contexts << " contexts, "
            << report.blobs << " resources, " << report.submissions
            << " submissions, " << report.fences << " fences, "
            << report.answers << " answers, " << report.resets << " resets; "
            << held.held.fds << " descriptors, " << held.resident_kib << " KiB"
            << std::endl;
}

// The heap's pages come and go; a leak of a byte a context would be more.
constexpr uint64_t kSlackKib = 512;
constexpr size_t kSlackMappings = 16;

bool PrintAndCompare(const char* name, const nacre::SoakHoldings& before,
                     const nacre::SoakHoldings& after) {
  std::cout << name << "\n";
  Print("  before: ", before);
  Print("  after:  ", after);
  return before.held == after.held &&
         after.all_mappings <= before.all_mappings + kSlackMappings &&
         after.heap_bytes <= before.heap_bytes + kSlackKib * 1024 &&
         after.resident_kib <= before.resident_kib + 4 * kSlackKib;
}

}  // namespace

int main(int argc, char** argv) {
  nacre::SoakOptions options;
  if (argc == 2) {
    if (const auto process = nacre::ParseGpuProcessArgument(argv[1])) {
      nacre::RunGpuProcess(*process);
    }
  }
  if (argc > 1 && argv[1] == std::string("--jail")) {
    options.jail = true;
    --argc;
    ++argv;
  }
  // As nacre.
  nacre::MakeRoomForDescriptors();
  if (argc > 1) options.duration = std::chrono::seconds(std::atoll(argv[1]));
  if (argc > 2) options.contexts = std::strtoull(argv[2], nullptr, 10);
  const nacre::SoakReport report =
      nacre::Soak(options, [](const nacre::SoakReport& r) { Print(r); });
  Print(report);
  bool same = report.left == 0;
  same &= PrintAndCompare("this process", report.before.own, report.after.own);
  if (report.after.gpu) {
    same &= PrintAndCompare("the GPU's process", *report.before.gpu,
                            *report.after.gpu);
  }
  std::cout << (same ? "the same at the end as at the start\n"
                     : "NOT the same at the end as at the start\n");
  return same ? 0 : 1;
}
