#ifndef NACRE_NACRE_VM_H_
#define NACRE_NACRE_VM_H_

#include "absl/status/statusor.h"
#include "proto/vm_config.pb.h"
#include "proto/vm_summary.pb.h"

namespace nacre {

// Exit codes of the program, and VmSummary.exit_code.
enum ExitCode : int {
  kExitOk = 0,             // The guest powered off and reported no failure.
  kExitGuestReported = 1,  // It powered off and reported one.
  kExitBadInput = 2,       // Flags, config or files, or a host that lacks what
                           // they need; nothing was started.
  kExitGuestCrashed = 3,   // Triple fault and the like.
  kExitInternalError = 4,  // The hypervisor or this program failed.
  kExitStopped = 5,        // We were told to stop (SIGINT, SIGTERM, Ctrl-A x).
};

// Builds the machine that `config` (validated) describes, runs its guest until
// it powers off, crashes or the process is told to stop, through any number of
// guest reboots, and tears everything down. The serial console is on standard
// input and output. Errors, before the guest has run: what is wrong with the
// files or the host, in one line; everything made so far is gone.
absl::StatusOr<VmSummary> RunGuest(const VmConfig& config);

}  // namespace nacre

#endif  // NACRE_NACRE_VM_H_
