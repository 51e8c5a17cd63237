// nacre: boots a Linux guest on KVM with a virtio-gpu device. See --help.

#include <malloc.h>
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/descriptor_room.h"
#include "base/standard_streams.h"
#include "glog/logging.h"
#include "nacre/flags.h"
#include "nacre/gpu_process.h"
#include "nacre/stderr_log.h"
#include "nacre/summary.h"
#include "nacre/vm.h"
#include "vmm/probe.h"

namespace nacre {
namespace {

// What a user can put right is bad input; the rest is ours or the host's.
ExitCode CodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnavailable:
      return kExitBadInput;
    default:
      return kExitInternalError;
  }
}

ExitCode Complain(const absl::Status& status, StderrLog& log) {
  log.Print(absl::StrCat("nacre: ", status.message(), "\n"));
  return CodeFor(status);
}

// The default of 8 MiB attracts transparent huge pages, 2 MiB a thread.
void UseSmallThreadStacks() {
  constexpr size_t kStackBytes = 256 << 10;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

// What a guest made us allocate, images of several MiB for instance, goes back
// to the host when it is freed: glibc would raise its threshold by and by.
void ReturnLargeAllocations() { mallopt(M_MMAP_THRESHOLD, 256 << 10); }

void PrepareProcess() {
  // A console that nobody reads any more loses output and stops nothing.
  signal(SIGPIPE, SIG_IGN);
  // A file beyond the limit is an error, which has a message.
  signal(SIGXFSZ, SIG_IGN);
  // Whoever started this may have ignored it, and an exec keeps that: there
  // would be no word of how the GPU's process ended.
  signal(SIGCHLD, SIG_DFL);
  // Each buffer of the simulated GPU, and each pending fence, is one.
  MakeRoomForDescriptors();
  UseSmallThreadStacks();
  ReturnLargeAllocations();
}

int Run(const VmConfig& config, StderrLog& log) {
  PrepareProcess();
  // Before the guest runs: a wrong path is the user's to put right.
  if (!config.summary_path().empty()) {
    if (absl::Status status = WriteSummary({}, config.summary_path());
        !status.ok()) {
      return Complain(status, log);
    }
  }
  const absl::StatusOr<VmSummary> summary = RunGuest(config);
  if (!summary.ok()) return Complain(summary.status(), log);
  // First what waits for nobody.
  absl::Status written;
  if (!config.summary_path().empty()) {
    written = WriteSummary(*summary, config.summary_path());
  }
  log.Print(SummaryText(*summary));
  if (!written.ok()) {
    Complain(written, log);
    return kExitInternalError;
  }
  return static_cast<int>(summary->exit_code());
}

int Main(int argc, char** argv) {
  if (argc == 2) {
    if (const auto options = ParseGpuProcessArgument(argv[1])) {
      PrepareProcess();
      RunGpuProcess(*options);
    }
  }
  StderrLog log;
  const absl::StatusOr<Command> command = ParseCommandLine(argc, argv);
  if (!command.ok()) return Complain(command.status(), log);
  if (const auto* help = std::get_if<ShowHelp>(&*command)) {
    std::fputs(help->text.c_str(), stdout);
    return kExitOk;
  }
  if (std::holds_alternative<Probe>(*command)) {
    const vmm::KvmProbe probe = vmm::ProbeKvm();
    std::printf("%s\n", probe.message.c_str());
    return probe.result == vmm::KvmProbe::Result::kOk ? 0 : 1;
  }
  return Run(std::get<RunVm>(*command).config, log);
}

}  // namespace
}  // namespace nacre

int main(int argc, char** argv) {
  nacre::OpenStandardStreams();
  FLAGS_logtostderr = true;  // Until there is a StderrLog.
  google::InitGoogleLogging(argv[0]);
  return nacre::Main(argc, argv);
}
