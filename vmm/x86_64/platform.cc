#include "vmm/x86_64/platform.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/status_macros.h"
#include "vmm/command_line.h"
#include "vmm/pci_window.h"
#include "vmm/x86_64/acpi_tables.h"
#include "vmm/x86_64/boot_params.h"
#include "vmm/x86_64/cpuid.h"
#include "vmm/x86_64/entry_state.h"
#include "vmm/x86_64/layout.h"
#include "vmm/x86_64/vm_platform.h"

namespace nacre::vmm::x86_64 {
namespace {

// All the firmware that there is: what a guest that reboots "by the BIOS" jumps
// to, in real mode. Linux 6.12 does so on reduced hardware, where it would
// rather call EFI than the FADT's reset register.
//   mov al, 0xfe; out 0x64, al; hlt
constexpr std::array<uint8_t, 5> kResetCode = {0xb0, 0xfe, 0xe6, kI8042Port,
                                               0xf4};

}  // namespace

Platform::Platform(const MachineConfig& config, ImageFile kernel_file,
                   KernelImage kernel, std::optional<ImageFile> initrd_file,
                   AddressRange initrd, std::vector<kvm_cpuid_entry2> cpuid,
                   AddressRange pci_window64)
    : vcpus_(config.vcpus),
      ram_(config.memory),
      command_line_(config.command_line),
      console_output_fd_(config.console_output_fd),
      kernel_file_(std::move(kernel_file)),
      kernel_(std::move(kernel)),
      initrd_file_(std::move(initrd_file)),
      initrd_(initrd),
      cpuid_(std::move(cpuid)),
      pci_window64_(pci_window64),
      rtc_([] { return time(nullptr); }) {}

absl::StatusOr<std::unique_ptr<Platform>> Platform::Create(
    const Kvm& kvm, const MachineConfig& config) {
  ASSIGN_OR_RETURN(std::vector<kvm_cpuid_entry2> cpuid, SupportedCpuid(kvm));
  const uint64_t address_end = PhysicalAddressEnd(cpuid);
  RETURN_IF_ERROR(CheckMemoryLayout(config.memory, address_end));
  ASSIGN_OR_RETURN(const AddressRange pci_window64,
                   PlacePciWindow64(config.memory, address_end));

  ASSIGN_OR_RETURN(ImageFile kernel_file,
                   ImageFile::Open("kernel", config.kernel_path));
  ASSIGN_OR_RETURN(const std::vector<uint8_t> head,
                   kernel_file.ReadHead(kKernelHeadSize));
  absl::StatusOr<KernelImage> kernel =
      ParseKernelImage(head, kernel_file.size());
  if (!kernel.ok()) return kernel_file.Annotate(kernel.status());
  RETURN_IF_ERROR(
      CheckCommandLine(config.command_line, kernel->header.cmdline_size));

  std::optional<ImageFile> initrd_file;
  if (!config.initrd_path.empty()) {
    ASSIGN_OR_RETURN(initrd_file,
                     ImageFile::Open("initrd", config.initrd_path));
  }
  ASSIGN_OR_RETURN(const AddressRange initrd,
                   PlaceInitrd(*kernel, initrd_file ? initrd_file->size() : 0,
                               config.memory));
  return std::unique_ptr<Platform>(new Platform(
      config, std::move(kernel_file), *std::move(kernel),
      std::move(initrd_file), initrd, std::move(cpuid), pci_window64));
}

KvmVm::Platform Platform::KvmPlatform() const { return MakeVmPlatform(); }

PciRanges Platform::pci_ranges() const {
  return {kEcam, kPciWindow32, pci_window64_, kPciConfigPort};
}

absl::Status Platform::AttachDevices(KvmVm& vm, IoBus& ports, IoBus&,
                                     OutcomeSink& outcomes) {
  ASSIGN_OR_RETURN(std::unique_ptr<IrqLine> irq,
                   vm.irq_router().CreateLine(kSerialIrq));
  serial_ =
      std::make_unique<Serial>(OutputTo(console_output_fd_), std::move(irq));
  power_ = std::make_unique<PowerDevice>(outcomes);
  i8042_ = std::make_unique<I8042Device>(outcomes);
  RETURN_IF_ERROR(ports.Insert(kSerialPort, 8, serial_.get()));
  RETURN_IF_ERROR(ports.Insert(kPowerPort, PowerDevice::kSize, power_.get()));
  RETURN_IF_ERROR(ports.Insert(kI8042Port, 1, i8042_.get()));
  RETURN_IF_ERROR(ports.Insert(kRtcPort, 2, &rtc_));
  return ports.Insert(kReportPort, GuestReport::kSize, &guest_report_);
}

void Platform::ResetDevices() { serial_->Reset(); }

std::vector<ImagePiece> Platform::images() const {
  std::vector<ImagePiece> pieces;
  for (const KernelImage::Segment& segment : kernel_.segments) {
    const ImagePiece piece = {&kernel_file_, segment.file_offset,
                              segment.file_size, segment.address};
    const bool has_entry = kernel_.entry >= segment.address &&
                           kernel_.entry - segment.address < segment.file_size;
    pieces.insert(has_entry ? pieces.begin() : pieces.end(), piece);
  }
  if (initrd_file_) {
    pieces.push_back({&*initrd_file_, 0, initrd_.size, initrd_.address});
  }
  return pieces;
}

absl::Status Platform::WriteTables(const GuestMemory& memory) {
  // RAM is zero: the command line ends where it ends.
  const std::span<const uint8_t> command_line(
      reinterpret_cast<const uint8_t*>(command_line_.data()),
      command_line_.size());
  RETURN_IF_ERROR(memory.Write(kCommandLineAddress, command_line));
  RETURN_IF_ERROR(memory.Write(
      kAcpiTables.address,
      MakeAcpiTables({vcpus_, pci_window64_}, kAcpiTables.address)));
  RETURN_IF_ERROR(memory.Write(kResetVector, kResetCode));
  RETURN_IF_ERROR(memory.WriteValue(
      kBootParamsAddress,
      MakeBootParams(kernel_, initrd_, kAcpiTables.address, MemoryMap(ram_))));
  return WriteEntryTables(memory);
}

absl::Status Platform::SetUpVcpu(KvmVcpu& vcpu, uint32_t index) {
  RETURN_IF_ERROR(SetUpCommonState(vcpu, VcpuCpuid(cpuid_, index, vcpus_)));
  if (index != 0) return absl::OkStatus();
  return EnterLongMode(vcpu, kernel_.entry, kBootParamsAddress);
}

size_t Platform::WriteConsoleInput(std::span<const uint8_t> bytes) {
  return serial_->Receive(bytes);
}

std::optional<uint8_t> Platform::guest_status() const {
  return guest_report_.status();
}

}  // namespace nacre::vmm::x86_64

namespace nacre::vmm {

absl::StatusOr<std::unique_ptr<Architecture>> CreateArchitecture(
    const Kvm& kvm, const MachineConfig& config) {
  return x86_64::Platform::Create(kvm, config);
}

std::vector<GuestMemory::RegionSpec> DefaultMemoryLayout(uint64_t size) {
  using x86_64::kDeviceHoleEnd;
  using x86_64::kDeviceHoleStart;
  if (size <= kDeviceHoleStart) return {{0, size}};
  return {{0, kDeviceHoleStart}, {kDeviceHoleEnd, size - kDeviceHoleStart}};
}

}  // namespace nacre::vmm
