#include "vmm/kvm/run_errors.h"

#include <sys/ioctl.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/thread.h"

namespace nacre::vmm {
namespace {

// Longer than HostShortage waits in all.
constexpr std::chrono::seconds kAnotherShortage{1};

constexpr std::chrono::milliseconds kPauseInVain{8};

Outcome InternalError(std::string message) {
  return {Outcome::Kind::kInternalError, std::move(message)};
}

// Where the guest's access was that ended KVM_RUN with EFAULT; nullopt where
// KVM does not say.
std::optional<uint64_t> FaultAddress(const kvm_run& run) {
  if (run.exit_reason != kKvmExitMemoryFault) return std::nullopt;
  KvmMemoryFault fault;
  std::memcpy(&fault, run.padding, sizeof(fault));
  return fault.guest_address;
}

}  // namespace

std::optional<Outcome> RunErrors::Take(int error) {
  switch (error) {
    case EINTR:
      OnNoRefusal();
      return std::nullopt;
    case EAGAIN:
      return OnEagain();
    case EFAULT:
      if (page_faults_.Mend(FaultAddress(run_))) return std::nullopt;
      // KVM says so, too, where the host has no memory for a page; and of most
      // GPU drivers' pages nothing tells why they are not to be had.
      return OnNoMemory(error);
    case ENOMEM:
      return OnNoMemory(error);
    default:
      return InternalError(
          std::string(ErrnoStatus(error, "KVM_RUN").message()));
  }
}

std::optional<Outcome> RunErrors::OnEagain() {
  // A vCPU that waited for its start-up interrupt got it.
  if (!std::exchange(refused_, true)) return std::nullopt;
  // The guest's doing: one that waits for its start-up is woken in vain by
  // other interrupts (an NMI), and stays so.
  kvm_mp_state state;
  if (ioctl(vcpu_, KVM_GET_MP_STATE, &state) == 0 &&
      state.mp_state != KVM_MP_STATE_RUNNABLE) {
    threads_.End();
    std::this_thread::sleep_for(kPauseInVain);
    return std::nullopt;
  }
  // Some Linuxes, from about 6.14 on, make a thread when a guest first runs.
  if (threads_.Wait()) return std::nullopt;
  return InternalError(absl::StrCat("KVM_RUN", ThreadLimits(EAGAIN), ": ",
                                    std::generic_category().message(EAGAIN)));
}

std::optional<Outcome> RunErrors::OnNoMemory(int error) {
  // A guest may need no exits for hours, in which there are others.
  const auto now = std::chrono::steady_clock::now();
  // That it is another page means that the one before was given at last.
  uint64_t address = memory_short_for_;
  if (error == EFAULT) address = FaultAddress(run_).value_or(address);
  if (address != memory_short_for_ ||
      now - memory_short_at_ > kAnotherShortage) {
    memory_.End();
  }
  memory_short_for_ = address;
  memory_short_at_ = now;
  if (memory_.Wait()) return std::nullopt;
  if (error == EFAULT) {
    if (page_faults_.GiveUp(FaultAddress(run_))) {
      memory_.End();
      return std::nullopt;
    }
    return InternalError(
        "the guest touched memory that this process cannot give it: the "
        "host has none left, or it is mapped without access or beyond the "
        "end of its file");
  }
  return InternalError(std::string(ErrnoStatus(error, "KVM_RUN").message()));
}

}  // namespace nacre::vmm
