#include "nacre/vm.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "devices/virtio/pci_transport.h"
#include "nacre/console.h"
#include "nacre/gpu.h"
#include "nacre/gpu_backend.h"
#include "nacre/jailed_gpu.h"
#include "nacre/signal_watch.h"
#include "vmm/event_loop.h"
#include "vmm/guest_memory.h"
#include "vmm/machine.h"
#include "vmm/outcome.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/process_stats.h"

namespace nacre {
namespace {

constexpr uint8_t kGpuPciDevice = 1;
constexpr uint16_t kDisplayClass = 0x0380;  // Display controller, other.

uint32_t CountOpenFds() {
  uint32_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end;
       !error && it != end; it.increment(error)) {
    ++count;
  }
  return count;
}

vmm::MachineConfig ToMachineConfig(const VmConfig& config) {
  vmm::MachineConfig machine;
  machine.vcpus = config.vcpus();
  if (config.memory_region().empty()) {
    machine.memory =
        vmm::DefaultMemoryLayout(uint64_t{config.memory_mib()} << 20);
  }
  for (const MemoryRegion& region : config.memory_region()) {
    machine.memory.push_back({region.guest_address(), region.size()});
  }
  machine.kernel_path = config.boot().kernel();
  machine.initrd_path = config.boot().initrd();
  machine.command_line = config.boot().command_line();
  machine.console_output_fd = STDOUT_FILENO;
  return machine;
}

absl::StatusOr<std::unique_ptr<GpuBackend>> CreateGpu(const Gpu& config) {
  if (config.jail() == "off") return GpuStack::Create(config, {});
  return JailedGpu::Create(config);
}

// The machine with its devices, in the order of their making.
class Vm {
 public:
  static absl::StatusOr<std::unique_ptr<Vm>> Create(const VmConfig& config) {
    std::unique_ptr<Vm> vm(new Vm());
    ASSIGN_OR_RETURN(vm->loop_, vmm::EventLoop::Create());
    // Before the threads of the GPU, which inherit the blocked signals.
    ASSIGN_OR_RETURN(vm->signals_, SignalWatch::Create(*vm->loop_));
    if (config.gpu().device() != "none") {
      ASSIGN_OR_RETURN(vm->gpu_, CreateGpu(config.gpu()));
    }
    ASSIGN_OR_RETURN(vm->machine_,
                     vmm::Machine::Create(ToMachineConfig(config)));
    RETURN_IF_ERROR(vm->AttachPci());
    vmm::Machine& machine = *vm->machine_;
    ASSIGN_OR_RETURN(
        vm->console_,
        Console::Create(STDIN_FILENO, *vm->loop_,
                        [&machine](std::span<const uint8_t> bytes) {
                          return machine.WriteConsoleInput(bytes);
                        }));
    return vm;
  }

  // Through all reboots.
  vmm::Outcome Run() {
    for (;;) {
      vmm::Outcome outcome = machine_->Run(*loop_);
      if (outcome.kind != vmm::Outcome::Kind::kReset) return outcome;
      if (signals_->signalled() || console_->quit()) {
        return {vmm::Outcome::Kind::kStopped, ""};
      }
      bus_->Reset();
    }
  }

  void Summarize(const vmm::Outcome& outcome, VmSummary& summary) const;

 private:
  Vm() = default;
  absl::Status AttachPci();

  std::unique_ptr<vmm::EventLoop> loop_;
  std::unique_ptr<SignalWatch> signals_;
  std::unique_ptr<GpuBackend> gpu_;  // Null for none.
  std::unique_ptr<vmm::Machine> machine_;
  std::unique_ptr<vmm::PciBus> bus_;
  std::unique_ptr<vmm::PciConfigPorts> config_ports_;
  std::unique_ptr<vmm::PciEcam> ecam_;
  std::unique_ptr<Console> console_;
};

absl::Status Vm::AttachPci() {
  const vmm::PciRanges ranges = machine_->pci_ranges();
  bus_ = std::make_unique<vmm::PciBus>(
      vmm::PciWindows{.low = ranges.window32, .high = ranges.window64});
  if (ranges.config_ports) {
    config_ports_ = std::make_unique<vmm::PciConfigPorts>(bus_.get());
    RETURN_IF_ERROR(machine_->port_bus().Insert(
        *ranges.config_ports, vmm::PciConfigPorts::kSize, config_ports_.get()));
  }
  ecam_ = std::make_unique<vmm::PciEcam>(bus_.get());
  RETURN_IF_ERROR(machine_->mmio_bus().Insert(ranges.ecam.address,
                                              ranges.ecam.size, ecam_.get()));
  if (gpu_ == nullptr) return absl::OkStatus();
  const vmm::PciAddress address = {.device = kGpuPciDevice};
  ASSIGN_OR_RETURN(std::unique_ptr<virtio::PciTransport> transport,
                   virtio::PciTransport::Create(
                       &gpu_->device(), address, kDisplayClass,
                       {.memory = &machine_->memory(),
                        .mmio_bus = &machine_->mmio_bus(),
                        .kick_binder = &machine_->kick_binder(),
                        .memory_windows = &machine_->memory_windows(),
                        .msi_controller = &machine_->msi_controller()}));
  return bus_->Add(address, std::move(transport));
}

std::pair<std::string, ExitCode> Describe(const vmm::Outcome& outcome,
                                          bool guest_failed) {
  switch (outcome.kind) {
    case vmm::Outcome::Kind::kPowerOff:
      return {"power-off", guest_failed ? kExitGuestReported : kExitOk};
    case vmm::Outcome::Kind::kStopped:
      return {"stopped", kExitStopped};
    case vmm::Outcome::Kind::kGuestFailure:
      return {absl::StrCat("guest crashed: ", outcome.message),
              kExitGuestCrashed};
    case vmm::Outcome::Kind::kReset:  // Run goes on after it.
    case vmm::Outcome::Kind::kInternalError:
      break;
  }
  return {absl::StrCat("internal error: ", outcome.message),
          kExitInternalError};
}

void Vm::Summarize(const vmm::Outcome& outcome, VmSummary& summary) const {
  const std::optional<uint8_t> status = machine_->guest_status();
  summary.set_guest_reported(status.has_value());
  summary.set_guest_status(status.value_or(0));
  const auto [text, code] = Describe(outcome, status.value_or(0) != 0);
  summary.set_outcome(text);
  summary.set_exit_code(code);

  const vmm::MachineStats stats = machine_->stats();
  summary.set_resets(static_cast<uint32_t>(stats.boots - 1));
  if (stats.time_to_first_instruction) {
    summary.set_first_instruction_us(static_cast<uint64_t>(
        absl::ToInt64Microseconds(*stats.time_to_first_instruction)));
  }
  if (const absl::StatusOr<uint64_t> bytes = vmm::OwnMemoryBytes();
      bytes.ok()) {
    const uint64_t gpu = gpu_ != nullptr ? gpu_->MemoryBytes() : 0;
    summary.set_own_memory_kib((*bytes + gpu) >> 10);
  }
  auto& exits = *summary.mutable_exits();
  exits["port read"] = stats.exits.port_reads;
  exits["port write"] = stats.exits.port_writes;
  exits["mmio read"] = stats.exits.mmio_reads;
  exits["mmio write"] = stats.exits.mmio_writes;
  exits["interrupted"] = stats.exits.interrupted;
  exits["other"] = stats.exits.other;
  if (gpu_ != nullptr) *summary.mutable_gpu() = gpu_->Summary();
}

}  // namespace

absl::StatusOr<VmSummary> RunGuest(const VmConfig& config) {
  VmSummary summary;
  summary.set_fds_before(CountOpenFds());
  {
    ASSIGN_OR_RETURN(std::unique_ptr<Vm> vm, Vm::Create(config));
    const vmm::Outcome outcome = vm->Run();
    vm->Summarize(outcome, summary);
  }
  summary.set_fds_after(CountOpenFds());
  return summary;
}

}  // namespace nacre
