#include "vmm/probe.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "vmm/guest_memory.h"
#include "vmm/io_bus.h"
#include "vmm/io_device.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_vcpu.h"
#include "vmm/kvm/kvm_vm.h"
#include "vmm/outcome.h"
#include "vmm/spin_guest.h"

namespace nacre::vmm {
namespace {

// A boot takes billions of instructions. Hardware does more than a thousand
// million a second, QEMU's emulation of hardware 300 million, and a KVM that
// emulates one or two.
constexpr double kEnoughInstructionsPerSecond = 30e6;

// A third of a second on a KVM that emulates.
constexpr uint32_t kIterations = 200000;
// Where KVM itself is emulated, its own code is slow the first time, by as much
// as the loop takes.
constexpr uint32_t kWarmUpIterations = 1000;

// Ends the run when the loop is done.
class FinishLine : public IoDevice {
 public:
  explicit FinishLine(KvmVcpu& vcpu) : vcpu_(vcpu) {}
  void Read(uint64_t, std::span<uint8_t> data) override {
    std::fill(data.begin(), data.end(), uint8_t{0});
  }
  void Write(uint64_t, std::span<const uint8_t>) override {
    reached_ = true;
    vcpu_.RequestStop();
  }
  bool reached() const { return reached_; }

 private:
  KvmVcpu& vcpu_;
  bool reached_ = false;
};

absl::StatusOr<double> SecondsOfSpin(const Kvm& kvm, uint32_t iterations) {
  const SpinGuest guest = MakeSpinGuest(kvm);
  ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::Create({&guest.ram, 1}));
  ASSIGN_OR_RETURN(std::unique_ptr<KvmVm> vm,
                   KvmVm::Create(kvm, guest.platform));
  RETURN_IF_ERROR(vm->memory_slots().AddRam(memory));
  ASSIGN_OR_RETURN(std::unique_ptr<KvmVcpu> vcpu, KvmVcpu::Create(*vm, 0));
  RETURN_IF_ERROR(LoadSpin(memory, *vcpu, iterations));
  RETURN_IF_ERROR(vm->ConnectInterrupts());
  FinishLine finish(*vcpu);
  IoBus ports, mmio;
  RETURN_IF_ERROR(mmio.Insert(guest.done, 1, &finish));
  ExitCounters counters;
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = vcpu->Run(ports, mmio, counters);
  const std::chrono::duration<double> taken =
      std::chrono::steady_clock::now() - start;
  if (!finish.reached()) {
    return absl::InternalError(
        absl::StrCat("a test guest did not run: ", outcome.message));
  }
  return taken.count();
}

}  // namespace

KvmProbe ProbeKvm() {
  const absl::StatusOr<Kvm> kvm = Kvm::Open();
  if (!kvm.ok()) {
    return {KvmProbe::Result::kUnusable, std::string(kvm.status().message())};
  }
  absl::StatusOr<double> seconds = SecondsOfSpin(*kvm, kWarmUpIterations);
  if (seconds.ok()) seconds = SecondsOfSpin(*kvm, kIterations);
  if (!seconds.ok()) {
    return {KvmProbe::Result::kUnusable,
            absl::StrCat("KVM fails: ", seconds.status().message())};
  }
  const double speed =
      static_cast<double>(kIterations * kSpinInstructionsPerIteration) /
      *seconds;
  const std::string measured =
      absl::StrFormat("%.1f million guest instructions a second", speed / 1e6);
  if (speed < kEnoughInstructionsPerSecond) {
    return {
        KvmProbe::Result::kTooSlow,
        absl::StrCat("KVM here is too slow for a stock kernel, ", measured)};
  }
  return {KvmProbe::Result::kOk, absl::StrCat("KVM works, ", measured)};
}

}  // namespace nacre::vmm
