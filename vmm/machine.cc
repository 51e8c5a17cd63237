#include "vmm/machine.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/thread.h"
#include "vmm/architecture.h"
#include "vmm/host_shortage.h"
#include "vmm/image_loader.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"
#include "vmm/process_stats.h"

namespace nacre::vmm {
namespace {

Outcome InternalError(const absl::Status& status) {
  return {Outcome::Kind::kInternalError, std::string(status.message())};
}

constexpr auto kKickInterval = std::chrono::milliseconds(10);

// Interrupts KVM_RUN; the handler need not do anything. No real-time signal:
// the kernel sends none once as many as RLIMIT_SIGPENDING wait for processes of
// this user, whichever they are.
int KickSignal() {
  static const int signal = [] {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, nullptr);
    return SIGUSR1;
  }();
  return signal;
}

// On this thread, which may have inherited that it is blocked.
void AcceptKicks() {
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, KickSignal());
  pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
}

// The outcome of one run: the first one reported, which also ends the loop.
class RunOutcome final : public OutcomeSink {
 public:
  void Begin(EventLoop* loop) {
    MutexLock lock(mutex_);
    loop_ = loop;
    outcome_.reset();
  }
  void End(Outcome outcome) override {
    MutexLock lock(mutex_);
    if (outcome_ || loop_ == nullptr) return;
    outcome_ = std::move(outcome);
    loop_->Stop();
  }
  // kStopped where nobody reported any.
  Outcome Take() {
    MutexLock lock(mutex_);
    loop_ = nullptr;
    return std::exchange(outcome_, std::nullopt).value_or(Outcome());
  }

 private:
  Mutex mutex_;
  EventLoop* loop_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::optional<Outcome> outcome_ ABSL_GUARDED_BY(mutex_);
};

class KvmMachine final : public Machine {
 public:
  KvmMachine(Kvm kvm, GuestMemory memory, uint32_t vcpus)
      : kvm_(std::move(kvm)), memory_(std::move(memory)), vcpu_count_(vcpus) {}

  absl::Status Initialize(const MachineConfig& config) {
    ASSIGN_OR_RETURN(architecture_, CreateArchitecture(kvm_, config));
    ASSIGN_OR_RETURN(vm_, KvmVm::Create(kvm_, architecture_->KvmPlatform()));
    RETURN_IF_ERROR(vm_->memory_slots().AddRam(memory_));
    return architecture_->AttachDevices(*vm_, port_bus_, mmio_bus_, outcome_);
  }

  ~KvmMachine() override {
    loader_.reset();  // Reads the architecture's files.
    // Its interrupt lines belong to the virtual machine.
    architecture_.reset();
  }

  GuestMemory& memory() override { return memory_; }
  IoBus& port_bus() override { return port_bus_; }
  IoBus& mmio_bus() override { return mmio_bus_; }
  MsiController& msi_controller() override { return vm_->irq_router(); }
  KickBinder& kick_binder() override { return vm_->io_events(); }
  MemoryWindows& memory_windows() override { return vm_->memory_slots(); }
  PciRanges pci_ranges() const override { return architecture_->pci_ranges(); }

  Outcome Run(EventLoop& loop) override {
    // Whose thread may still fail, which is nothing to this run.
    loader_.reset();
    outcome_.Begin(&loop);
    if (absl::Status status = PrepareBoot(); !status.ok()) {
      outcome_.Take();
      return InternalError(status);
    }
    const int kick = KickSignal();
    std::vector<Thread> threads;
    const absl::Status started = StartVcpus(threads);
    if (started.ok()) {
      // After them: it takes time from the vCPUs, which can start without it.
      loader_->Start();
      loop.Run();
    }
    for (const std::unique_ptr<KvmVcpu>& vcpu : vcpus_) vcpu->RequestStop();
    loader_->Abandon();
    for (Thread& thread : threads) {
      // Until it has heard of it: one may come when a device has yet to block,
      // as in a write to a console that nobody reads.
      do {
        thread.Signal(kick);
      } while (!thread.JoinWithin(kKickInterval));
    }
    Outcome outcome = outcome_.Take();
    return started.ok() ? outcome : InternalError(started);
  }

  size_t WriteConsoleInput(std::span<const uint8_t> bytes) override {
    return architecture_->WriteConsoleInput(bytes);
  }
  std::optional<uint8_t> guest_status() const override {
    return architecture_->guest_status();
  }
  MachineStats stats() const override;

 private:
  // Asks a host that is short of something again, as what follows.
  absl::Status PrepareBoot();
  absl::Status TryToPrepareBoot();
  // Adds what has started to `threads`, also where it fails.
  absl::Status StartVcpus(std::vector<Thread>& threads);
  void RunVcpu(KvmVcpu& vcpu);

  const Kvm kvm_;
  GuestMemory memory_;
  const uint32_t vcpu_count_;
  IoBus port_bus_;
  IoBus mmio_bus_;
  RunOutcome outcome_;
  ExitCounters exits_;
  std::unique_ptr<KvmVm> vm_;
  std::unique_ptr<Architecture> architecture_;
  std::unique_ptr<ImageLoader> loader_;
  std::vector<std::unique_ptr<KvmVcpu>> vcpus_;
  uint64_t boots_ = 0;
  bool used_ = false;  // Not as Initialize has made it.

  std::once_flag entered_;
  mutable Mutex mutex_;
  std::optional<absl::Duration> time_to_first_instruction_
      ABSL_GUARDED_BY(mutex_);
};

absl::Status KvmMachine::PrepareBoot() {
  ++boots_;
  HostShortage shortage;
  absl::Status status;
  do {
    status = TryToPrepareBoot();
  } while (absl::IsResourceExhausted(status) && shortage.Wait());
  return status;
}

absl::Status KvmMachine::TryToPrepareBoot() {
  if (std::exchange(used_, true)) {
    vcpus_.clear();
    RETURN_IF_ERROR(vm_->Reset());
    architecture_->ResetDevices();
    RETURN_IF_ERROR(memory_.Discard());
  }
  RETURN_IF_ERROR(architecture_->WriteTables(memory_));
  for (uint32_t i = 0; i < vcpu_count_; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<KvmVcpu> vcpu, KvmVcpu::Create(*vm_, i));
    RETURN_IF_ERROR(architecture_->SetUpVcpu(*vcpu, i));
    vcpus_.push_back(std::move(vcpu));
  }
  RETURN_IF_ERROR(vm_->ConnectInterrupts());
  ASSIGN_OR_RETURN(loader_,
                   ImageLoader::Create(memory_, architecture_->images(),
                                       [this](const absl::Status& status) {
                                         outcome_.End(InternalError(status));
                                       }));
  return absl::OkStatus();
}

absl::Status KvmMachine::StartVcpus(std::vector<Thread>& threads) {
  for (const std::unique_ptr<KvmVcpu>& vcpu : vcpus_) {
    absl::StatusOr<Thread> thread;
    HostShortage shortage;
    do {
      thread = Thread::Start("vcpu", [this, &vcpu] { RunVcpu(*vcpu); });
    } while (!thread.ok() && shortage.Wait());
    RETURN_IF_ERROR(thread.status());
    threads.push_back(*std::move(thread));
  }
  return absl::OkStatus();
}

void KvmMachine::RunVcpu(KvmVcpu& vcpu) {
  AcceptKicks();
  std::call_once(entered_, [this] {
    MutexLock lock(mutex_);
    time_to_first_instruction_ = TimeSinceProcessStart();
  });
  Outcome outcome = vcpu.Run(port_bus_, mmio_bus_, exits_,
                             [this, blocks_seen = uint64_t{0}]() mutable {
                               return loader_->WaitForMore(&blocks_seen);
                             });
  if (outcome.kind != Outcome::Kind::kStopped) {
    outcome_.End(std::move(outcome));
  }
}

MachineStats KvmMachine::stats() const {
  MachineStats stats;
  stats.exits = {exits_.port_reads.load(),  exits_.port_writes.load(),
                 exits_.mmio_reads.load(),  exits_.mmio_writes.load(),
                 exits_.interrupted.load(), exits_.other.load()};
  stats.unmatched_reads =
      port_bus_.unmatched_reads() + mmio_bus_.unmatched_reads();
  stats.unmatched_writes =
      port_bus_.unmatched_writes() + mmio_bus_.unmatched_writes();
  stats.boots = boots_;
  MutexLock lock(mutex_);
  stats.time_to_first_instruction = time_to_first_instruction_;
  return stats;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(
    const MachineConfig& config) {
  if (config.vcpus < 1 || config.vcpus > kMaxVcpus) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.vcpus, " vCPUs: must be from 1 to ", kMaxVcpus));
  }
  // Judges the regions too.
  ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::Create(config.memory));
  ASSIGN_OR_RETURN(Kvm kvm, Kvm::Open());
  auto machine = std::make_unique<KvmMachine>(std::move(kvm), std::move(memory),
                                              config.vcpus);
  RETURN_IF_ERROR(machine->Initialize(config));
  return machine;
}

}  // namespace nacre::vmm
