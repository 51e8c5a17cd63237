// Runs the hostile guest on real vCPUs of a real Machine, against the whole
// device with the simulated GPU below it.

#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/testing/holdings.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio_gpu/display/headless_sink.h"
#include "devices/virtio_gpu/gpu_device.h"
#include "devices/virtio_gpu/msm/context_type.h"
#include "devices/virtio_gpu/wire.h"
#include "gtest/gtest.h"
#include "nacre/hostile_guest/tally.h"
#include "simulator/simulated_device.h"
#include "vmm/event_loop.h"
#include "vmm/machine.h"
#include "vmm/outcome.h"
#include "vmm/pci/pci_bus.h"

namespace nacre::hostile_guest {
namespace {

// Arguments: the guest, which is looked for here without any, and its command
// line if another than this is wanted.
std::string guest_path = "hostile_guest";
std::string command_line = "seed=1 rounds=1";

constexpr uint64_t kMemoryBytes = 64 << 20;  // The guest counts on it.

// The machine with the device, as nacre makes them.
class Vm {
 public:
  static absl::StatusOr<std::unique_ptr<Vm>> Create(
      const std::string& guest_command_line) {
    vmm::MachineConfig config;
    config.vcpus = 2;
    config.memory = vmm::DefaultMemoryLayout(kMemoryBytes);
    config.kernel_path = guest_path;
    config.command_line = guest_command_line;
    absl::StatusOr<std::unique_ptr<vmm::Machine>> machine =
        vmm::Machine::Create(config);
    if (!machine.ok()) return machine.status();
    return std::unique_ptr<Vm>(new Vm(*std::move(machine)));
  }

  vmm::Outcome Run() { return machine_->Run(*loop_); }

  Tally tally() const {
    const uint64_t ram =
        vmm::DefaultMemoryLayout(kMemoryBytes)[0].guest_address;
    return machine_->memory().ReadValue<Tally>(ram + Tally::kOffset).value();
  }
  vmm::Machine& machine() { return *machine_; }
  const virtio::PciTransport& transport() const { return *transport_; }
  const virtio_gpu::Stats& device() const { return device_->stats(); }
  const virtio_gpu::HeadlessSink& sink() const { return *sink_; }
  const msm::Counters& msm() const { return msm_->counters(); }
  simulator::SimulatorStats gpu() const { return drm_->stats(); }

 private:
  explicit Vm(std::unique_ptr<vmm::Machine> machine)
      : machine_(std::move(machine)) {
    loop_ = vmm::EventLoop::Create().value();
    drm_ = simulator::SimulatedDevice::Create({}).value();
    auto context_type = msm::MsmContextType::Create(*drm_).value();
    msm_ = context_type.get();
    std::vector<std::unique_ptr<virtio_gpu::ContextType>> context_types;
    context_types.push_back(std::move(context_type));
    virtio_gpu::VirtioGpu::Config config;
    config.window_bytes = 16 << 20;
    // It reads the pixels of whatever it is to show.
    auto sink = std::make_unique<virtio_gpu::HeadlessSink>();
    sink_ = sink.get();
    device_ = virtio_gpu::VirtioGpu::Create(config, std::move(context_types),
                                            std::move(sink))
                  .value();

    const vmm::PciRanges ranges = machine_->pci_ranges();
    bus_ = std::make_unique<vmm::PciBus>(
        vmm::PciWindows{.low = ranges.window32, .high = ranges.window64});
    ecam_ = std::make_unique<vmm::PciEcam>(bus_.get());
    if (ranges.config_ports) {
      ports_ = std::make_unique<vmm::PciConfigPorts>(bus_.get());
      EXPECT_TRUE(machine_->port_bus()
                      .Insert(*ranges.config_ports, vmm::PciConfigPorts::kSize,
                              ports_.get())
                      .ok());
    }
    EXPECT_TRUE(machine_->mmio_bus()
                    .Insert(ranges.ecam.address, ranges.ecam.size, ecam_.get())
                    .ok());
    const vmm::PciAddress address = {.device = 1};
    auto transport = virtio::PciTransport::Create(
                         device_.get(), address, 0x0380,
                         {.memory = &machine_->memory(),
                          .mmio_bus = &machine_->mmio_bus(),
                          .kick_binder = &machine_->kick_binder(),
                          .memory_windows = &machine_->memory_windows(),
                          .msi_controller = &machine_->msi_controller()})
                         .value();
    transport_ = transport.get();
    EXPECT_TRUE(bus_->Add(address, std::move(transport)).ok());
  }

  std::unique_ptr<vmm::EventLoop> loop_;
  std::unique_ptr<simulator::SimulatedDevice> drm_;
  const msm::MsmContextType* msm_ = nullptr;        // The device's.
  const virtio_gpu::HeadlessSink* sink_ = nullptr;  // The device's.
  std::unique_ptr<virtio_gpu::VirtioGpu> device_;
  const std::unique_ptr<vmm::Machine> machine_;
  const virtio::PciTransport* transport_ = nullptr;  // The bus's.
  std::unique_ptr<vmm::PciBus> bus_;
  std::unique_ptr<vmm::PciConfigPorts> ports_;
  std::unique_ptr<vmm::PciEcam> ecam_;
};

// What a device that is reached by the attack cannot but do. Of races over the
// rings and of resets that is nothing: who is first decides, and what counts is
// that the driver afterwards is served.
constexpr struct {
  Attack attack;
  const char* name;
  bool answers = false;
  bool errors = false;
  bool breaks = false;
} kEffects[] = {
    {Attack::kConfigSpace, "configuration space"},
    {Attack::kConfigWindow, "configuration window"},
    {Attack::kMovingBars, "moving BARs", true},
    {Attack::kRegisters, "registers"},
    {Attack::kMsixTable, "MSI-X table", true},
    {Attack::kStatus, "status"},
    {Attack::kLiveQueues, "live queues", true},
    {Attack::kNotify, "kicks", true},
    {Attack::kDescriptorLoop, "descriptor loop", false, false, true},
    {Attack::kWildDescriptor, "wild descriptor", true, false, true},
    {Attack::kWildIndirect, "wild indirect table", false, false, true},
    {Attack::kWildHead, "wild head", false, false, true},
    {Attack::kAvailableJump, "available index", false, false, true},
    {Attack::kRingsElsewhere, "rings elsewhere", true, false, true},
    {Attack::kCursorChain, "cursor chain", true, false, true},
    {Attack::kRandomCommand, "random command", true, true},
    {Attack::kShortCommand, "short command", true, true},
    {Attack::kHugeCount, "huge count", true, true},
    {Attack::kRandomCcmd, "random ccmd", true, true},
    {Attack::kRandomCursor, "random cursor", true, true},
    {Attack::kUnmappedWindow, "unmapped window"},
    {Attack::kUnmapInUse, "unmap in use", true, true},
    {Attack::kRacingRings, "racing rings"},
    {Attack::kRacingRequests, "racing requests", true},
    {Attack::kRacingCcmds, "racing ccmds", true, true},
    {Attack::kRacingControlMemory, "racing control memory", true},
    {Attack::kRacingStreams, "racing GPU streams", true},
    {Attack::kRacingRegisters, "racing registers", true},
    {Attack::kRacingReset, "racing reset"},
};
static_assert(std::size(kEffects) == kAttacks);

// The guest's view: every attack was made and had its effect, and whenever one
// was over the device served a driver that behaves. Returns the times that the
// guest found its device broken.
uint64_t CheckTally(const Tally& tally) {
  EXPECT_EQ(tally.failures, 0u)
      << "the guest's line " << tally.first_failure_line << " of "
      << tally.first_failure_file;
  uint64_t broken = 0;
  for (const auto& [attack, name, answers, errors, breaks] : kEffects) {
    const Tally::Count& count = tally.attacks[static_cast<uint32_t>(attack)];
    std::cout << absl::StrFormat(
        "%-22s %5d attempts %5d answers %5d errors %5d broken\n", name,
        count.attempts, count.answers, count.errors, count.broken);
    EXPECT_GT(count.attempts, 0u) << name;
    EXPECT_TRUE(count.answers > 0 || !answers) << name;
    EXPECT_TRUE(count.errors > 0 || !errors) << name;
    EXPECT_TRUE(count.broken > 0 || !breaks) << name;
    broken += count.broken;
  }
  std::cout << tally.second_cpu_writes << " writes by the second vCPU\n";
  EXPECT_GT(tally.second_cpu_writes, 100u);
  return broken;
}

// Nothing of the guest is left, though its machine still stands.
void CheckNothingIsLeft(const Vm& vm) {
  EXPECT_EQ(vm.device().contexts.value(), 0u);
  EXPECT_EQ(vm.device().resources.value(), 0u);
  EXPECT_EQ(vm.device().image_bytes.value(), 0u);
  EXPECT_EQ(vm.device().mapped_blobs.value(), 0u);
  EXPECT_EQ(vm.device().mapped_bytes.value(), 0u);
  EXPECT_FALSE(vm.sink().frame(0));
  EXPECT_FALSE(vm.sink().cursor(0).frame);
  EXPECT_EQ(vm.device().fences_pending.value(), 0u);
  EXPECT_EQ(vm.msm().files.value(), 0u);
  EXPECT_EQ(vm.msm().objects.value(), 0u);
  EXPECT_EQ(vm.gpu().files_open, 0u);
  EXPECT_EQ(vm.gpu().buffers, 0u);
}

TEST(HostileGuestTest, HurtsNobody) {
  // With the first thread a sanitizer may make one of its own.
  std::thread([] {}).join();
  // Of mappings guest RAM and buffers.
  const auto now = [] { return Holdings::Now({"memfd:"}); };
  Holdings before = now();
  before.WaitForThreads(1, 200);
  {
    absl::StatusOr<std::unique_ptr<Vm>> created = Vm::Create(command_line);
    if (absl::IsUnavailable(created.status()) ||
        absl::IsPermissionDenied(created.status())) {
      GTEST_SKIP() << created.status();
    }
    ASSERT_TRUE(created.ok()) << created.status();
    Vm& vm = **created;
    const vmm::Outcome outcome = vm.Run();
    ASSERT_EQ(outcome.kind, vmm::Outcome::Kind::kPowerOff) << outcome.message;
    EXPECT_EQ(vm.machine().guest_status(), 0);
    const Tally tally = vm.tally();
    ASSERT_EQ(tally.magic, Tally::kMagic);
    const uint64_t broken = CheckTally(tally);

    // Ours: it all arrived.
    EXPECT_GE(vm.transport().stats().needs_reset, broken);
    EXPECT_GT(vm.device().broken_queues.value(), 100u);
    EXPECT_GT(vm.device().total_errors(), 100u);
    using virtio_gpu::wire::Type;
    EXPECT_GT(vm.device().commands(Type::kUpdateCursor).value(), 50u);
    EXPECT_GT(vm.device().commands(Type::kMoveCursor).value(), 0u);
    EXPECT_GT(vm.device().errors(Type::kErrInvalidScanoutId).value(), 0u);
    EXPECT_GT(vm.device().submissions.value(), 100u);
    EXPECT_GT(vm.msm().malformed.value(), 0u);
    EXPECT_GT(vm.gpu().submissions, 20u);
    EXPECT_GT(vm.gpu().faults, 0u);
    EXPECT_GT(vm.msm().refused_ioctls.value(), 0u);
    const vmm::MachineStats stats = vm.machine().stats();
    EXPECT_GT(stats.exits.mmio_writes, 1000u);
    EXPECT_GT(stats.exits.mmio_reads, 1000u);
    CheckNothingIsLeft(vm);
  }
  Holdings after = now();
  after.WaitForThreads(before.threads);
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace nacre::hostile_guest

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) nacre::hostile_guest::guest_path = argv[1];
  if (argc > 2) nacre::hostile_guest::command_line = argv[2];
  return RUN_ALL_TESTS();
}
