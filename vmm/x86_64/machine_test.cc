// A whole Machine on real KVM, its kernel a few bytes of 64-bit code.

#include "vmm/machine.h"

#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/testing/host_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/event_loop.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_api.h"
#include "vmm/probe.h"
#include "vmm/x86_64/boot_params.h"
#include "vmm/x86_64/layout.h"
#include "vmm/x86_64/testing/elf_image.h"

namespace nacre::vmm::x86_64 {
namespace {

using Code = std::vector<uint8_t>;
using testing::HasSubstr;

constexpr uint32_t kKernel = 0x1000000;
constexpr uint32_t kScratch = 0x2000000;

Code operator+(Code a, const Code& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Code WithImmediate(Code opcode, uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    opcode.push_back(static_cast<uint8_t>(value >> 8 * i));
  }
  return opcode;
}
Code MovAl(uint8_t value) { return {0xb0, value}; }
Code OutAl(uint8_t port) { return {0xe6, port}; }
Code InAl(uint8_t port) { return {0xe4, port}; }
// mov dx, port; mov al, value; out dx, al: the same bytes in 16-bit code but
// for a prefix.
Code OutFar(uint16_t port, uint8_t value) {
  return Code{0x66,
              0xba,
              static_cast<uint8_t>(port),
              static_cast<uint8_t>(port >> 8),
              0xb0,
              value,
              0xee};
}
Code StoreAl(uint32_t address) {
  return WithImmediate({0x88, 0x04, 0x25}, address);
}
Code LoadAl(uint32_t address) {
  return WithImmediate({0x8a, 0x04, 0x25}, address);
}
const Code kWait = {0xf4, 0xeb, 0xfd};  // hlt; jmp back
const Code kSpin = {0xeb, 0xfe};
const Code kPowerOff = OutFar(kPowerPort, 0x34) + kWait;
const Code kReset = MovAl(0xfe) + OutAl(kI8042Port) + kWait;
Code Report(uint8_t status) { return MovAl(status) + OutAl(kReportPort); }

class MachineTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = Kvm::Open().status(); !status.ok()) {
      GTEST_SKIP() << status;
    }
    config_.memory = {{0, 64 * kMiB}};
    config_.kernel_path = testing::TempDir() + "/kernel";
    loop_ = EventLoop::Create().value();
  }

  void WriteKernel(const Code& code) {
    WriteFile(config_.kernel_path,
              MakeElf(kKernel, {{kKernel, code, code.size()}}));
  }
  static void WriteFile(const std::string& path, const Code& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  Outcome Boot(const Code& code) {
    WriteKernel(code);
    machine_ = Machine::Create(config_).value();
    return machine_->Run(*loop_);
  }

  MachineConfig config_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Machine> machine_;
};

TEST_F(MachineTest, PowersOffAndReportsStatus) {
  EXPECT_EQ(Boot(Report(7) + kPowerOff).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 7);
  const MachineStats stats = machine_->stats();
  EXPECT_EQ(stats.exits.port_writes, 2u);
  EXPECT_EQ(stats.boots, 1u);
  EXPECT_TRUE(stats.time_to_first_instruction.has_value());
}

TEST_F(MachineTest, NoStatusWithoutAReport) {
  Boot(kPowerOff);
  EXPECT_EQ(machine_->guest_status(), std::nullopt);
}

TEST_F(MachineTest, ATripleFaultIsAGuestFailure) {
  // lidt [kScratch], which is zero: no handler for anything; ud2
  const Outcome outcome = Boot(
      WithImmediate({0x0f, 0x01, 0x1c, 0x25}, kScratch) + Code{0x0f, 0x0b});
  EXPECT_EQ(outcome.kind, Outcome::Kind::kGuestFailure) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr("triple-faulted"));
}

// First boot: mark the scratch port and RAM, reset. Second boot: report the
// RAM.
TEST_F(MachineTest, AfterAResetRamIsZeroAndTheScratchPortKept) {
  const Code second = LoadAl(kScratch) + OutAl(kReportPort) + kPowerOff;
  const Code first =
      MovAl(1) + OutAl(kReportPort + 1) + StoreAl(kScratch) + kReset;
  const Code code = InAl(kReportPort + 1) +
                    // test al, al; jnz over `first`
                    Code{0x84, 0xc0, 0x75, static_cast<uint8_t>(first.size())} +
                    first + second;
  EXPECT_EQ(Boot(code).kind, Outcome::Kind::kReset);
  EXPECT_EQ(machine_->guest_status(), std::nullopt);
  EXPECT_EQ(machine_->Run(*loop_).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 0);
  EXPECT_EQ(machine_->stats().boots, 2u);
}

TEST_F(MachineTest, TheResetVectorResets) {
  std::vector<uint8_t> code(5);
  Boot(kPowerOff);
  ASSERT_TRUE(machine_->memory().Read(kResetVector, code).ok());
  // mov al, 0xfe; out 0x64, al; hlt
  EXPECT_EQ(code, (std::vector<uint8_t>{0xb0, 0xfe, 0xe6, 0x64, 0xf4}));
}

TEST_F(MachineTest, StoppingTheLoopStopsTheGuest) {
  WriteKernel(kSpin);
  machine_ = Machine::Create(config_).value();
  std::thread stopper([this] { loop_->Stop(); });
  EXPECT_EQ(machine_->Run(*loop_).kind, Outcome::Kind::kStopped);
  stopper.join();
}

TEST_F(MachineTest, ConsoleOutputGoesToTheFd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  config_.console_output_fd = ends[1];
  Boot(OutFar(kSerialPort, 'o') + OutFar(kSerialPort, 'k') + kPowerOff);
  char text[3] = {};
  EXPECT_EQ(read(ends[0], text, 2), 2);
  EXPECT_STREQ(text, "ok");
  close(ends[0]);
  close(ends[1]);
}

TEST_F(MachineTest, ConsoleInputReachesTheGuest) {
  // mov dx, 0x3f8; in al, dx
  WriteKernel(Code{0x66, 0xba, 0xf8, 0x03, 0xec} + OutAl(kReportPort) +
              kPowerOff);
  machine_ = Machine::Create(config_).value();
  EXPECT_EQ(machine_->WriteConsoleInput(std::vector<uint8_t>{'x'}), 1u);
  EXPECT_EQ(machine_->Run(*loop_).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 'x');
}

// The first vCPU starts the second as the SDM says (volume 3, 8.4.4): INIT,
// then a start-up interrupt with the page of its code.
TEST_F(MachineTest, TwoVcpus) {
  config_.vcpus = 2;
  constexpr uint32_t kStartPage = 0x8;
  // In real mode: mov dx, kPowerPort needs no prefix there.
  const Code second_cpu =
      Report(22) + Code{0xba, 0x00, 0x06} + MovAl(0x34) + Code{0xee} + kWait;
  const auto write_icr = [](uint32_t value) {
    return WithImmediate({0xc7, 0x03}, value);  // mov dword [rbx], value
  };
  Code code;
  for (size_t i = 0; i < second_cpu.size(); ++i) {
    code = code + MovAl(second_cpu[i]) +
           StoreAl(kStartPage * 0x1000 + static_cast<uint32_t>(i));
  }
  code = code + WithImmediate({0xbb}, kLocalApicAddress + 0x300) +
         write_icr(0x000c4500) + write_icr(0x000c4600 | kStartPage) + kWait;
  EXPECT_EQ(Boot(code).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 22);
}

TEST_F(MachineTest, LoadsInitrdAndCommandLine) {
  config_.initrd_path = testing::TempDir() + "/initrd";
  config_.command_line = "console=ttyS0 quiet";
  WriteFile(config_.initrd_path, Code(5000, 0xab));
  Boot(kPowerOff);
  const auto params =
      machine_->memory().ReadValue<boot_params>(kBootParamsAddress).value();
  EXPECT_EQ(+params.hdr.ramdisk_size, 5000u);
  std::vector<uint8_t> initrd(5001);
  ASSERT_TRUE(machine_->memory().Read(params.hdr.ramdisk_image, initrd).ok());
  EXPECT_EQ(initrd[4999], 0xab);
  EXPECT_EQ(initrd[5000], 0);
  std::vector<uint8_t> command_line(config_.command_line.size() + 1);
  ASSERT_TRUE(
      machine_->memory().Read(params.hdr.cmd_line_ptr, command_line).ok());
  EXPECT_STREQ(reinterpret_cast<const char*>(command_line.data()),
               config_.command_line.c_str());
}

// Most of a large kernel is loaded while it runs: its end may not be there yet.
class LargeKernelTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    // There a missing page is a failed instruction, not one to repeat.
    if (ProbeKvm().result != KvmProbe::Result::kOk) {
      GTEST_SKIP() << "a KVM that emulates instructions";
    }
  }
};

TEST_F(LargeKernelTest, WaitsForWhatIsNotYetLoaded) {
  constexpr uint32_t kDistance = 24 * kMiB;
  Code kernel = WithImmediate({0xe9}, kDistance - 5);  // jmp to the end
  kernel.resize(kDistance);
  kernel =
      kernel + LoadAl(kKernel + kDistance / 2) + OutAl(kReportPort) + kPowerOff;
  kernel[kDistance / 2] = 44;
  const Outcome outcome = Boot(kernel);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kPowerOff) << outcome.message;
  EXPECT_EQ(machine_->guest_status(), 44);
}

TEST_F(LargeKernelTest, CannotBeReadToItsEnd) {
  constexpr uint32_t kDistance = 24 * kMiB;
  Code kernel = WithImmediate({0xe9}, kDistance - 5);
  kernel.resize(kDistance);
  WriteKernel(kernel + kPowerOff);
  machine_ = Machine::Create(config_).value();
  ASSERT_EQ(truncate(config_.kernel_path.c_str(), 8 * kMiB), 0);
  const Outcome outcome = machine_->Run(*loop_);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kInternalError);
  EXPECT_THAT(outcome.message, HasSubstr("kernel " + config_.kernel_path));
}

TEST_F(MachineTest, PciRangesStayClearOfRam) {
  config_.memory = DefaultMemoryLayout(4 * kGiB);
  WriteKernel(kPowerOff);
  machine_ = Machine::Create(config_).value();
  const PciRanges ranges = machine_->pci_ranges();
  EXPECT_EQ(config_.memory.size(), 2u);
  EXPECT_EQ(ranges.config_ports, 0xcf8);
  EXPECT_GE(ranges.window64.address, 5 * kGiB);
  EXPECT_GE(ranges.window64.size, kGiB);
  for (const AddressRange& range :
       {ranges.ecam, ranges.window32, ranges.window64}) {
    EXPECT_FALSE(machine_->memory().Contains(range.address, 1));
    EXPECT_FALSE(machine_->memory().Contains(range.address + range.size, 1));
  }
}

// KVM_SET_MSRS returns how many it set, and fails only for none (KVM's api.rst,
// 4.19).
TEST_F(MachineTest, AnMsrThatIsNotSetIsNoticed) {
  const HostFault fault({.first = 0, .result = 1, .request = KVM_SET_MSRS});
  const Outcome outcome = Boot(kPowerOff);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kInternalError);
  EXPECT_THAT(outcome.message, HasSubstr("KVM_SET_MSRS"));
}

// Bad input: the code, and what the one line says.
class BadConfigTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    WriteKernel(kPowerOff);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& what) {
    const absl::Status status = Machine::Create(config_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
};

TEST_F(BadConfigTest, Vcpus) {
  config_.vcpus = 0;
  ExpectRefused(absl::StatusCode::kInvalidArgument, "from 1 to 64");
  config_.vcpus = 65;
  ExpectRefused(absl::StatusCode::kInvalidArgument, "65 vCPUs");
}

TEST_F(BadConfigTest, MissingFiles) {
  config_.initrd_path = "/nonexistent/initrd";
  ExpectRefused(absl::StatusCode::kNotFound, "initrd /nonexistent/initrd");
  config_.kernel_path = "/nonexistent/kernel";
  ExpectRefused(absl::StatusCode::kNotFound, "kernel /nonexistent/kernel");
}

TEST_F(BadConfigTest, NoKernel) {
  WriteFile(config_.kernel_path, Code(1000, 'x'));
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                config_.kernel_path + ": neither a bzImage nor an ELF file");
}

TEST_F(BadConfigTest, Memory) {
  config_.memory = {{0, 64 * kMiB}, {32 * kMiB, 64 * kMiB}};
  ExpectRefused(absl::StatusCode::kInvalidArgument, "overlap");
  config_.memory = {{0, 64 * kMiB + 1}};
  ExpectRefused(absl::StatusCode::kInvalidArgument, "multiples of 4096");
  config_.memory = {{0, 4 * kGiB}};
  ExpectRefused(absl::StatusCode::kInvalidArgument, "overlaps the devices");
}

TEST_F(BadConfigTest, CommandLine) {
  config_.command_line = std::string(2048, 'x');
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                "2048 characters: this kernel takes 2047");
}

TEST_F(BadConfigTest, InitrdThatDoesNotFit) {
  config_.initrd_path = testing::TempDir() + "/initrd";
  std::ofstream(config_.initrd_path).put('x');
  ASSERT_EQ(truncate(config_.initrd_path.c_str(), 100 * kMiB), 0);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "more memory");
}

}  // namespace
}  // namespace nacre::vmm::x86_64
