#ifndef NACRE_VMM_PROBE_H_
#define NACRE_VMM_PROBE_H_

#include <string>

namespace nacre::vmm {

// Whether this machine can run a stock guest kernel.
struct KvmProbe {
  enum class Result {
    kOk,
    kUnusable,  // No KVM, or no permission, or it fails.
    kTooSlow,   // It emulates instructions, one by one.
  };
  Result result = Result::kUnusable;
  // One line for a person, with the measurement or the reason.
  std::string message;
};

// Times a short loop on a throw-away vCPU. Takes milliseconds, or a third of a
// second on a KVM that emulates.
KvmProbe ProbeKvm();

}  // namespace nacre::vmm

#endif  // NACRE_VMM_PROBE_H_
