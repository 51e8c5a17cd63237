// A host that refuses while a guest's driver moves the BARs of a virtio device
// and programs its interrupts: each call of KVM fails in turn. Once the host
// has again what it had not, the guest finds everything where it put it; an
// interrupt it gets in any case.

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/mapping.h"
#include "base/testing/host_faults.h"
#include "devices/virtio/common_config.h"
#include "devices/virtio/pci_transport.h"
#include "devices/virtio/testing/echo_device.h"
#include "gtest/gtest.h"
#include "vmm/event_loop.h"
#include "vmm/machine.h"
#include "vmm/pci/msix.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/pci/testing/pci_guest.h"
#include "vmm/testing/register_device.h"
#include "vmm/x86_64/testing/elf_image.h"

namespace nacre::virtio {
namespace {

using Code = std::vector<uint8_t>;

constexpr uint32_t kKernel = 0x1000000;
constexpr vmm::PciAddress kAddress = {.device = 1};
constexpr uint8_t kReportPort = 0xf4;
constexpr uint8_t kDriverPort = 0xf6;
constexpr uint8_t kInterruptPort = 0xf7;
constexpr uint8_t kVector = 0x40;
constexpr uint64_t kLocalApic = 0xfee0'0000;

Code operator+(Code a, const Code& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Code Out(uint8_t port) { return {0xe6, port}; }
// MOV between the accumulator and a 64-bit address.
Code Mov(uint8_t opcode, uint64_t address) {
  const auto bytes = AsBytes(address);
  return Code{opcode} + Code(bytes.begin(), bytes.end());
}

// Has its driver do its work, reports a byte of the window, asks for an
// interrupt and waits until its local APIC has it: since interrupts are
// disabled it stays in the request register. Reports 0 where none comes in some
// seconds. Then it resets the machine.
Code Guest(uint64_t window) {
  return Out(kDriverPort) +
         Code{0xb8, 0xff, 0x01, 0, 0} +   // mov eax, 0x1ff: enabled
         Mov(0xa3, kLocalApic + 0xf0) +   // mov [spurious vector], eax
         Mov(0xa0, window) +              // mov al, [window]
         Out(kReportPort) +               //
         Out(kInterruptPort) +            //
         Code{0xb9, 0, 0, 0x10, 0} +      // mov ecx, 1 << 20
         Mov(0xa1, kLocalApic + 0x220) +  // wait: mov eax, [requests 64-95]
         Code{0xa8, 1, 0x75, 8} +         // test al, 1; jnz done
         Code{0xff, 0xc9, 0x75, 0xef} +   // dec ecx; jnz wait
         Code{0x30, 0xc0} +               // xor al, al
         Out(kReportPort) +               //
         Code{0xb0, 0xfe, 0xe6, 0x64} +   // done: mov al, 0xfe; out 0x64, al
         Code{0xf4, 0xeb, 0xfd};          // hlt
}

class PciHostFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.memory = {{0, uint64_t{32} << 20}};
    config_.kernel_path = testing::TempDir() + "/kernel";
    // The window's place follows from the machine's, which needs a kernel.
    WriteKernel({0xf4});
    absl::StatusOr<std::unique_ptr<vmm::Machine>> machine =
        vmm::Machine::Create(config_);
    if (absl::IsUnavailable(machine.status()) ||
        absl::IsPermissionDenied(machine.status())) {
      GTEST_SKIP() << machine.status();
    }
    ASSERT_TRUE(machine.ok()) << machine.status();
    const uint64_t low = (*machine)->pci_ranges().window32.address;
    registers_ = low + (64 << 20);
    window_ = low + (128 << 20);
    WriteKernel(Guest(window_));
    machine_ = *vmm::Machine::Create(config_);
    bus_ = std::make_unique<vmm::PciBus>(
        vmm::PciWindows{.low = machine_->pci_ranges().window32,
                        .high = machine_->pci_ranges().window64});
    auto transport =
        PciTransport::Create(&device_, kAddress, 0x0380,
                             {.memory = &machine_->memory(),
                              .mmio_bus = &machine_->mmio_bus(),
                              .kick_binder = &machine_->kick_binder(),
                              .memory_windows = &machine_->memory_windows(),
                              .msi_controller = &machine_->msi_controller()});
    ASSERT_TRUE(transport.ok()) << transport.status();
    ASSERT_TRUE(bus_->Add(kAddress, *std::move(transport)).ok());
    guest_ = std::make_unique<vmm::PciGuest>(bus_.get(), kAddress);
    ASSERT_TRUE(machine_->port_bus().Insert(kDriverPort, 1, &driver_).ok());
    ASSERT_TRUE(
        machine_->port_bus().Insert(kInterruptPort, 1, &interrupt_).ok());
  }

  void WriteKernel(const Code& code) {
    const std::vector<uint8_t> elf =
        vmm::x86_64::MakeElf(kKernel, {{kKernel, code, code.size()}});
    std::ofstream(config_.kernel_path, std::ios::binary)
        .write(reinterpret_cast<const char*>(elf.data()),
               static_cast<std::streamsize>(elf.size()));
  }

  template <typename T>
  void Write(uint64_t offset, T value) {
    machine_->mmio_bus().Write(registers_ + offset, AsBytes(value));
  }

  // The driver's work, on the vCPU's thread.
  void MoveBars() {
    guest_->EnableMemory(true);  // Where they are at power-on.
    guest_->WriteBar(0, registers_);
    guest_->WriteBar(2, window_);
  }
  void ProgramInterrupts() {
    const uint8_t msix = guest_->FindCapabilities(0x11).at(0);
    const uint64_t table = guest_->Read<uint32_t>(msix + 4) & ~7u;
    Write<uint64_t>(table, kLocalApic);
    // Another message in each boot, as KVM sees it: a line that has the same as
    // before needs no call.
    Write<uint64_t>(table + 8, kVector | uint64_t{mark_} << 16);
    guest_->Write<uint16_t>(msix + vmm::Msix::kControlOffset,
                            vmm::Msix::kEnable);
  }
  void Start() {
    // struct virtio_pci_common_cfg, which is first in BAR 0.
    uint8_t status = kStatusAcknowledge | kStatusDriver;
    Write<uint8_t>(20, status);
    Write<uint32_t>(8, 1);
    Write<uint32_t>(12, kFeatureVersion1 >> 32);
    Write<uint8_t>(20, status |= kStatusFeaturesOk);
    Write<uint16_t>(16, 0);
    Write<uint8_t>(20, status |= kStatusDriverOk);
  }

  // A boot of a guest whose driver does `work`.
  void Boot(const std::function<void()>& work) {
    work_ = work;
    mark_ = static_cast<uint8_t>(mark_ % 255 + 1);
    region_.data()[0] = mark_;
    const vmm::Outcome outcome = machine_->Run(*loop_);
    ASSERT_EQ(outcome.kind, vmm::Outcome::Kind::kReset) << outcome.message;
    ASSERT_EQ(machine_->guest_status(), mark_);
    const HostFault fault(at_reset_);
    bus_->Reset();
    calls_ = fault.calls();
  }

  // Boots with `step` between the others, in which each call fails in turn.
  void EachCallMayFail(const std::function<void()>& before,
                       const std::function<void()>& step,
                       const std::function<void()>& after) {
    uint64_t calls = 0;
    const auto boot_with = [&](const HostFault::Plan& plan) {
      Boot([&] {
        before();
        {
          const HostFault fault(plan);
          step();
          calls = fault.calls();
        }
        guest_->ReadBar(0);  // As drivers look what became of it.
        after();
      });
    };
    boot_with({});
    const uint64_t all = calls;
    ASSERT_GT(all, 0u);
    for (const HostFault::Plan& plan : EachFault(all)) {
      SCOPED_TRACE(Describe(plan));
      boot_with(plan);
      if (HasFatalFailure()) return;
    }
  }

  static testing::Message Describe(const HostFault::Plan& plan) {
    return testing::Message() << "call " << plan.first << ", errno "
                              << plan.error << ", " << plan.repeatedly;
  }

  vmm::MachineConfig config_;
  const Mapping region_ = *Mapping::Anonymous(2 << 20, 2 << 20);
  EchoDevice device_{region_.bytes()};
  uint8_t mark_ = 0;  // What the guest is to find and report.
  std::function<void()> work_;
  HostFault::Plan at_reset_;
  uint64_t calls_ = 0;  // Of the host in the last reset.
  vmm::RegisterDevice driver_{[this](uint64_t, uint64_t) { work_(); }};
  vmm::RegisterDevice interrupt_{
      [this](uint64_t, uint64_t) { device_.ChangeConfig(1); }};
  const std::unique_ptr<vmm::EventLoop> loop_ = *vmm::EventLoop::Create();
  uint64_t registers_ = 0;
  uint64_t window_ = 0;
  std::unique_ptr<vmm::Machine> machine_;
  std::unique_ptr<vmm::PciBus> bus_;
  std::unique_ptr<vmm::PciGuest> guest_;
};

TEST_F(PciHostFaultsTest, BarsAreWhereTheyWerePutOnceTheHostCan) {
  EachCallMayFail([] {}, [this] { MoveBars(); },
                  [this] {
                    ProgramInterrupts();
                    Start();
                  });
}

TEST_F(PciHostFaultsTest, InterruptsComeThoughTheHostRefusesTheirRoutes) {
  EachCallMayFail([this] { MoveBars(); }, [this] { ProgramInterrupts(); },
                  [this] { Start(); });
}

TEST_F(PciHostFaultsTest, TheNextBootUnmapsWhatAResetCouldNot) {
  const auto boot = [this] {
    Boot([this] {
      MoveBars();
      ProgramInterrupts();
      Start();
    });
  };
  boot();
  const uint64_t all = calls_;
  ASSERT_GT(all, 0u);
  for (const HostFault::Plan& plan : EachFault(all)) {
    SCOPED_TRACE(Describe(plan));
    at_reset_ = plan;
    boot();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace nacre::virtio
