#ifndef NACRE_VMM_OUTCOME_H_
#define NACRE_VMM_OUTCOME_H_

#include <string>

namespace nacre::vmm {

// Why a run of the guest ended.
struct Outcome {
  enum class Kind {
    kPowerOff,       // The guest powered itself off.
    kReset,          // The guest asked for a reboot.
    kStopped,        // We were asked to stop (EventLoop::Stop).
    kGuestFailure,   // The guest broke beyond repair (triple fault).
    kInternalError,  // The hypervisor or this program failed.
  };
  Kind kind = Kind::kStopped;
  // One line for a person, for the last two kinds.
  std::string message;
};

// Takes the outcome of a run; the first one counts. Any thread, never blocks
// for the guest.
class OutcomeSink {
 public:
  virtual ~OutcomeSink() = default;
  virtual void End(Outcome outcome) = 0;
};

}  // namespace nacre::vmm

#endif  // NACRE_VMM_OUTCOME_H_
