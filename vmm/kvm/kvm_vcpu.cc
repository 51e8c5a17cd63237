#include "vmm/kvm/kvm_vcpu.h"

#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "vmm/kvm/run_errors.h"

namespace nacre::vmm {
namespace {

void Count(std::atomic<uint64_t>& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

Outcome InternalError(std::string message) {
  return {Outcome::Kind::kInternalError, std::move(message)};
}

Outcome FromSystemEvent(uint32_t type) {
  switch (type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return {Outcome::Kind::kPowerOff, ""};
    case KVM_SYSTEM_EVENT_RESET:
      return {Outcome::Kind::kReset, ""};
    case KVM_SYSTEM_EVENT_CRASH:
      return {Outcome::Kind::kGuestFailure, "the guest reported a crash"};
    default:
      return InternalError(absl::StrCat("unknown KVM system event ", type));
  }
}

// What the exits say that end a run; nullopt for the others.
std::optional<Outcome> Ending(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
    case KVM_EXIT_MMIO:
    case KVM_EXIT_INTR:
      return std::nullopt;
    case KVM_EXIT_SHUTDOWN:
      return Outcome{Outcome::Kind::kGuestFailure,
                     "the guest triple-faulted (a fault while it could not "
                     "handle a fault)"};
    case KVM_EXIT_ARM_NISV:
      return Outcome{
          Outcome::Kind::kGuestFailure,
          absl::StrFormat("the guest accessed %#x, which is no memory, with an "
                          "instruction that KVM cannot carry out for it (one "
                          "of a pair, or of a vector)",
                          run.arm_nisv.fault_ipa)};
    case KVM_EXIT_SYSTEM_EVENT:
      return FromSystemEvent(run.system_event.type);
    case KVM_EXIT_FAIL_ENTRY:
      return InternalError(absl::StrFormat(
          "KVM could not enter the guest: hardware reason %#x, "
          "on the host's CPU %d",
          run.fail_entry.hardware_entry_failure_reason, run.fail_entry.cpu));
    case KVM_EXIT_INTERNAL_ERROR:
      return InternalError(absl::StrCat("KVM gave up on the guest: suberror ",
                                        run.internal.suberror));
    default:
      return InternalError(
          absl::StrCat("unexpected KVM exit reason ", run.exit_reason));
  }
}

}  // namespace

KvmVcpu::KvmVcpu(const KvmVm& vm, Fd fd, Mapping run)
    : vm_(vm), fd_(std::move(fd)), run_(std::move(run)) {}

absl::StatusOr<std::unique_ptr<KvmVcpu>> KvmVcpu::Create(const KvmVm& vm,
                                                         uint32_t id) {
  Fd fd(ioctl(vm.fd(), KVM_CREATE_VCPU, static_cast<uint64_t>(id)));
  if (!fd.valid()) {
    return ErrnoStatus(absl::StrCat("KVM_CREATE_VCPU(", id, ")"));
  }
  ASSIGN_OR_RETURN(Mapping run,
                   Mapping::Shared(fd.get(), 0, vm.kvm().run_size()));
  return std::unique_ptr<KvmVcpu>(
      new KvmVcpu(vm, std::move(fd), std::move(run)));
}

absl::Status KvmVcpu::Control(uint64_t request, void* argument,
                              absl::string_view what) {
  return ControlNumber(request, argument, what).status();
}

absl::StatusOr<int> KvmVcpu::ControlNumber(uint64_t request, void* argument,
                                           absl::string_view what) {
  const int number = ioctl(fd_.get(), request, argument);
  if (number < 0) return ErrnoStatus(what);
  return number;
}

void KvmVcpu::RequestStop() {
  stop_.store(true);
  // Read by the kernel on its way into the guest: no signal is lost that
  // arrives before the ioctl.
  __atomic_store_n(&run().immediate_exit, uint8_t{1}, __ATOMIC_RELEASE);
}

Outcome KvmVcpu::Run(IoBus& ports, IoBus& mmio, ExitCounters& counters,
                     const std::function<bool()>& wait_for_memory) {
  RunErrors errors(fd_.get(), run(), vm_.memory_slots(), stop_,
                   wait_for_memory);
  while (!stop_.load()) {
    if (ioctl(fd_.get(), KVM_RUN, 0) != 0) {
      const int error = errno;
      Count(error == EFAULT ? counters.other : counters.interrupted);
      if (std::optional<Outcome> ending = errors.Take(error)) {
        return *std::move(ending);
      }
      continue;
    }
    errors.Forget();
    if (std::optional<Outcome> ending = Ending(run())) {
      Count(counters.other);
      return *std::move(ending);
    }
    if (run().exit_reason == KVM_EXIT_IO) {
      HandlePortIo(ports, counters);
    } else if (run().exit_reason == KVM_EXIT_MMIO) {
      HandleMmio(mmio, counters);
    } else {
      Count(counters.interrupted);
    }
  }
  return {Outcome::Kind::kStopped, ""};
}

void KvmVcpu::HandlePortIo(IoBus& ports, ExitCounters& counters) {
  const auto& io = run().io;
  uint8_t* data = run_.data() + io.data_offset;
  const bool is_read = io.direction == KVM_EXIT_IO_IN;
  Count(is_read ? counters.port_reads : counters.port_writes);
  // A string instruction's repetitions, up to 1,024, come in one exit, and a
  // device may take its time for each.
  for (uint32_t i = 0; i < io.count && !stop_.load(); ++i, data += io.size) {
    const std::span<uint8_t> value(data, io.size);
    if (is_read) {
      ports.Read(io.port, value);
    } else {
      ports.Write(io.port, value);
    }
  }
}

void KvmVcpu::HandleMmio(IoBus& mmio, ExitCounters& counters) {
  auto& access = run().mmio;
  const std::span<uint8_t> value(access.data, access.len);
  if (access.is_write) {
    Count(counters.mmio_writes);
    mmio.Write(access.phys_addr, value);
  } else {
    Count(counters.mmio_reads);
    mmio.Read(access.phys_addr, value);
  }
}

}  // namespace nacre::vmm
