// A whole Machine on real KVM, its kernel a few A64 instructions.

#include "vmm/machine.h"

#include <libfdt.h>
#include <unistd.h>

#include <cerrno>
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
#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/mpidr.h"
#include "vmm/aarch64/placement.h"
#include "vmm/aarch64/testing/code.h"
#include "vmm/aarch64/testing/image.h"
#include "vmm/event_loop.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm::aarch64 {
namespace {

using testing::HasSubstr;

// Where the images go in RAM of one region: the kernel has one block of 2 MiB.
constexpr uint64_t kKernel = kRamStart;
constexpr uint64_t kDeviceTree = kRamStart + 2 * kMiB;
constexpr uint64_t kInitrd = kRamStart + 4 * kMiB;
constexpr uint64_t kScratch = kRamStart + 32 * kMiB;
constexpr uint64_t kReport = kPciIo.address + kReportPort;

Code Put(uint64_t address, uint8_t value) {
  return Move(1, value) + Store8(address);
}
// Forward, over a number of instructions.
Code Skip(size_t count) {  // b
  return {0x14000000 | static_cast<uint32_t>(count + 1)};
}

class MachineTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status status = Kvm::Open().status(); !status.ok()) {
      GTEST_SKIP() << status;
    }
    config_.memory = {{kRamStart, 64 * kMiB}};
    config_.kernel_path = testing::TempDir() + "/kernel";
    loop_ = EventLoop::Create().value();
  }

  void WriteKernel(const Code& code) {
    WriteFile(config_.kernel_path, MakeImage(code));
  }
  static void WriteFile(const std::string& path,
                        const std::vector<uint8_t>& bytes) {
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
  EXPECT_EQ(Boot(Put(kReport, 7) + kPowerOff).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 7);
  const MachineStats stats = machine_->stats();
  EXPECT_EQ(stats.exits.mmio_writes, 1u);
  EXPECT_EQ(stats.boots, 1u);
  EXPECT_TRUE(stats.time_to_first_instruction.has_value());
}

TEST_F(MachineTest, NoStatusWithoutAReport) {
  Boot(kPowerOff);
  EXPECT_EQ(machine_->guest_status(), std::nullopt);
}

// First boot: mark the scratch port and RAM, reset. Second boot: report the
// RAM.
TEST_F(MachineTest, AfterAResetRamIsZeroAndTheScratchPortKept) {
  const Code first = Put(kReport + 1, 1) + Store8(kScratch) + kReset;
  const Code second = Load8(kScratch) + Store8(kReport) + kPowerOff;
  const Code code =
      Load8(kReport + 1) + SkipIfNotZero(first.size()) + first + second;
  EXPECT_EQ(Boot(code).kind, Outcome::Kind::kReset);
  EXPECT_EQ(machine_->guest_status(), std::nullopt);
  EXPECT_EQ(machine_->Run(*loop_).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 0);
  EXPECT_EQ(machine_->stats().boots, 2u);
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
  Boot(Put(kSerial.address, 'o') + Put(kSerial.address, 'k') + kPowerOff);
  char text[3] = {};
  EXPECT_EQ(read(ends[0], text, 2), 2);
  EXPECT_STREQ(text, "ok");
  close(ends[0]);
  close(ends[1]);
}

TEST_F(MachineTest, ConsoleInputReachesTheGuest) {
  WriteKernel(Load8(kSerial.address) + Store8(kReport) + kPowerOff);
  machine_ = Machine::Create(config_).value();
  EXPECT_EQ(machine_->WriteConsoleInput(std::vector<uint8_t>{'x'}), 1u);
  EXPECT_EQ(machine_->Run(*loop_).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 'x');
}

// The first vCPU starts the last of a second cluster, which reports what the
// first passed it.
TEST_F(MachineTest, SecondaryCpusStartByPsci) {
  config_.vcpus = 18;
  // Where its own code begins is an argument of the call, as long as any.
  const auto first = [](uint64_t entry) {
    return Move(0, kPsciCpuOn) + Move(1, MpidrOf(17)) + Move(2, entry) +
           Move(3, 22) + kHypervisorCall + kSpin;
  };
  const uint64_t entry =
      kKernel + sizeof(TestImageHeader) + first(0).size() * sizeof(uint32_t);
  // Its x0 is what CPU_ON was given in x3.
  const Code second = kArgumentToValue + Store8(kReport) + kPowerOff;
  EXPECT_EQ(Boot(first(entry) + second).kind, Outcome::Kind::kPowerOff);
  EXPECT_EQ(machine_->guest_status(), 22);
}

// booting.rst: x0 is the physical address of the device tree.
TEST_F(MachineTest, TheKernelIsGivenTheDeviceTree) {
  const Code load = {0x39400001};  // ldrb w1, [x0]
  Boot(load + Store8(kReport) + kPowerOff);
  EXPECT_EQ(machine_->guest_status(), FDT_MAGIC >> 24);
}

TEST_F(MachineTest, LoadsInitrdAndCommandLine) {
  config_.initrd_path = testing::TempDir() + "/initrd";
  config_.command_line = "console=ttyS0 quiet";
  WriteFile(config_.initrd_path, std::vector<uint8_t>(5000, 0xab));
  Boot(kPowerOff);
  std::vector<uint8_t> tree(kDeviceTreeSpace);
  ASSERT_TRUE(machine_->memory().Read(kDeviceTree, tree).ok());
  ASSERT_EQ(fdt_check_full(tree.data(), tree.size()), 0);
  const int chosen = fdt_path_offset(tree.data(), "/chosen");
  EXPECT_STREQ(static_cast<const char*>(
                   fdt_getprop(tree.data(), chosen, "bootargs", nullptr)),
               config_.command_line.c_str());
  const auto* start = static_cast<const fdt64_t*>(
      fdt_getprop(tree.data(), chosen, "linux,initrd-start", nullptr));
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(fdt64_ld(start), kInitrd);
  std::vector<uint8_t> initrd(5001);
  ASSERT_TRUE(machine_->memory().Read(kInitrd, initrd).ok());
  EXPECT_EQ(initrd[4999], 0xab);
  EXPECT_EQ(initrd[5000], 0);
}

TEST_F(MachineTest, EachBootHasItsOwnSeeds) {
  const auto boot = [this] {
    Boot(kPowerOff);
    std::vector<uint8_t> tree(kDeviceTreeSpace);
    EXPECT_TRUE(machine_->memory().Read(kDeviceTree, tree).ok());
    const int chosen = fdt_path_offset(tree.data(), "/chosen");
    std::string seeds;
    for (const char* name : {"rng-seed", "kaslr-seed"}) {
      int size = 0;
      const void* value = fdt_getprop(tree.data(), chosen, name, &size);
      if (value != nullptr) seeds.append(static_cast<const char*>(value), size);
    }
    return seeds;
  };
  const std::string first = boot();
  EXPECT_EQ(first.size(), 64u + 8u);
  EXPECT_NE(first, boot());
}

// Most of a large kernel is loaded while it runs: its end may not be there yet.
TEST_F(MachineTest, WaitsForWhatIsNotYetLoaded) {
  constexpr uint64_t kDistance = 24 * kMiB / sizeof(uint32_t);
  Code kernel = Skip(kDistance - 1);
  kernel.resize(kDistance);
  kernel[kDistance / 2] = 44;
  const Outcome outcome = Boot(kernel +
                               Load8(kKernel + sizeof(TestImageHeader) +
                                     kDistance / 2 * sizeof(uint32_t)) +
                               Store8(kReport) + kPowerOff);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kPowerOff) << outcome.message;
  EXPECT_EQ(machine_->guest_status(), 44);
}

TEST_F(MachineTest, AKernelThatCannotBeReadToItsEndIsAnError) {
  constexpr uint64_t kDistance = 24 * kMiB / sizeof(uint32_t);
  Code kernel = Skip(kDistance - 1);
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
  EXPECT_EQ(ranges.config_ports, std::nullopt);
  EXPECT_GE(ranges.window64.address, 5 * kGiB);
  EXPECT_GE(ranges.window64.size, kGiB);
  for (const AddressRange& range :
       {ranges.ecam, ranges.window32, ranges.window64}) {
    EXPECT_FALSE(machine_->memory().Contains(range.address, 1));
    EXPECT_FALSE(
        machine_->memory().Contains(range.address + range.size - 1, 1));
  }
}

// KVM says ENODEV of an interrupt controller that it does not have.
TEST_F(MachineTest, AHostWithoutTheInterruptControllersIsNamed) {
  WriteKernel(kPowerOff);
  const auto refusal = [this](uint64_t first, int error) {
    const HostFault fault(
        {.first = first, .error = error, .request = KVM_CREATE_DEVICE});
    return std::string(Machine::Create(config_).status().message());
  };
  EXPECT_THAT(refusal(0, ENODEV), HasSubstr("no GICv3"));
  EXPECT_THAT(refusal(1, ENODEV), HasSubstr("no ITS"));
  EXPECT_THAT(refusal(1, ENOMEM), HasSubstr("KVM_CREATE_DEVICE(ITS)"));
}

// Bad input: the code, and what the one line says.
class BadConfigTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    if (!IsSkipped()) WriteKernel(kPowerOff);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& what) {
    const absl::Status status = Machine::Create(config_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
};

TEST_F(BadConfigTest, MissingFiles) {
  config_.initrd_path = "/nonexistent/initrd";
  ExpectRefused(absl::StatusCode::kNotFound, "initrd /nonexistent/initrd");
  config_.kernel_path = "/nonexistent/kernel";
  ExpectRefused(absl::StatusCode::kNotFound, "kernel /nonexistent/kernel");
}

TEST_F(BadConfigTest, NoKernel) {
  WriteFile(config_.kernel_path, std::vector<uint8_t>(1000, 'x'));
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                config_.kernel_path + ": not an arm64 Image");
}

TEST_F(BadConfigTest, Memory) {
  config_.memory = {{0, 64 * kMiB}};
  ExpectRefused(absl::StatusCode::kInvalidArgument, "overlaps the devices");
  config_.memory = {{uint64_t{1} << 60, 64 * kMiB}};
  ExpectRefused(absl::StatusCode::kInvalidArgument, "KVM can address");
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
  ExpectRefused(absl::StatusCode::kInvalidArgument, "give it more");
}

}  // namespace
}  // namespace nacre::vmm::aarch64
