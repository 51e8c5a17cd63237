#include "vmm/aarch64/platform.h"

#include <sys/random.h>
#include <time.h>

#include <utility>

#include "base/bytes.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "vmm/aarch64/device_tree.h"
#include "vmm/aarch64/kernel_image.h"
#include "vmm/aarch64/layout.h"
#include "vmm/aarch64/mpidr.h"
#include "vmm/aarch64/vcpu_state.h"
#include "vmm/aarch64/vm_platform.h"
#include "vmm/command_line.h"
#include "vmm/pci_window.h"

namespace nacre::vmm::aarch64 {
namespace {

// Linux's COMMAND_LINE_SIZE without the terminating NUL.
constexpr size_t kCommandLineMax = 2047;

template <WireType T>
absl::Status FillWithRandom(T& value) {
  const std::span<uint8_t> bytes = AsWritableBytes(value);
  // Up to 256 bytes come whole (getrandom(2)).
  static_assert(sizeof(T) <= 256);
  if (getrandom(bytes.data(), bytes.size(), 0) < 0) {
    return ErrnoStatus("getrandom");
  }
  return absl::OkStatus();
}

}  // namespace

Platform::Platform(const MachineConfig& config, ImageFile kernel_file,
                   std::optional<ImageFile> initrd_file,
                   BootPlacement placement, uint32_t address_bits,
                   AddressRange pci_window64)
    : vcpus_(config.vcpus),
      ram_(config.memory),
      command_line_(config.command_line),
      console_output_fd_(config.console_output_fd),
      kernel_file_(std::move(kernel_file)),
      initrd_file_(std::move(initrd_file)),
      placement_(placement),
      address_bits_(address_bits),
      pci_window64_(pci_window64),
      rtc_([] { return time(nullptr); }) {}

absl::StatusOr<std::unique_ptr<Platform>> Platform::Create(
    const Kvm& kvm, const MachineConfig& config) {
  const uint32_t address_bits = GuestAddressBits(kvm);
  const uint64_t address_end = uint64_t{1} << address_bits;
  RETURN_IF_ERROR(CheckMemoryLayout(config.memory, address_end));
  ASSIGN_OR_RETURN(const AddressRange pci_window64,
                   PlacePciWindow64(config.memory, address_end));
  RETURN_IF_ERROR(CheckCommandLine(config.command_line, kCommandLineMax));

  ASSIGN_OR_RETURN(ImageFile kernel_file,
                   ImageFile::Open("kernel", config.kernel_path));
  ASSIGN_OR_RETURN(const std::vector<uint8_t> head,
                   kernel_file.ReadHead(kKernelHeadSize));
  const absl::StatusOr<KernelImage> kernel =
      ParseKernelImage(head, kernel_file.size());
  if (!kernel.ok()) return kernel_file.Annotate(kernel.status());

  std::optional<ImageFile> initrd_file;
  if (!config.initrd_path.empty()) {
    ASSIGN_OR_RETURN(initrd_file,
                     ImageFile::Open("initrd", config.initrd_path));
  }
  ASSIGN_OR_RETURN(const BootPlacement placement,
                   PlaceImages(*kernel, initrd_file ? initrd_file->size() : 0,
                               config.memory));
  return std::unique_ptr<Platform>(
      new Platform(config, std::move(kernel_file), std::move(initrd_file),
                   placement, address_bits, pci_window64));
}

KvmVm::Platform Platform::KvmPlatform() const {
  return MakeVmPlatform(address_bits_);
}

PciRanges Platform::pci_ranges() const {
  return {kEcam, kPciWindow32, pci_window64_, std::nullopt};
}

absl::Status Platform::AttachDevices(KvmVm& vm, IoBus&, IoBus& mmio,
                                     OutcomeSink&) {
  ASSIGN_OR_RETURN(std::unique_ptr<IrqLine> irq,
                   vm.irq_router().CreateLine(kSerialSpi));
  serial_ =
      std::make_unique<Serial>(OutputTo(console_output_fd_), std::move(irq));
  RETURN_IF_ERROR(mmio.Insert(kSerial.address, kSerial.size, serial_.get()));
  RETURN_IF_ERROR(mmio.Insert(kRtc.address, kRtc.size, &rtc_));
  return mmio.Insert(kPciIo.address + kReportPort, GuestReport::kSize,
                     &guest_report_);
}

void Platform::ResetDevices() { serial_->Reset(); }

std::vector<ImagePiece> Platform::images() const {
  std::vector<ImagePiece> pieces = {
      {&kernel_file_, 0, kernel_file_.size(), placement_.kernel.address}};
  if (initrd_file_) {
    pieces.push_back(
        {&*initrd_file_, 0, placement_.initrd.size, placement_.initrd.address});
  }
  return pieces;
}

absl::Status Platform::WriteTables(const GuestMemory& memory) {
  DeviceTreeConfig config;
  for (uint32_t i = 0; i < vcpus_; ++i) config.mpidrs.push_back(MpidrOf(i));
  config.ram = ram_;
  config.pci_window64 = pci_window64_;
  config.command_line = command_line_;
  config.initrd = placement_.initrd;
  RETURN_IF_ERROR(FillWithRandom(config.rng_seed));
  RETURN_IF_ERROR(FillWithRandom(config.kaslr_seed));
  ASSIGN_OR_RETURN(const std::vector<uint8_t> tree, MakeDeviceTree(config));
  return memory.Write(placement_.device_tree.address, tree);
}

absl::Status Platform::SetUpVcpu(KvmVcpu& vcpu, uint32_t index) {
  RETURN_IF_ERROR(InitializeVcpu(vcpu, index));
  if (index != 0) return absl::OkStatus();
  return SetEntry(vcpu, placement_.kernel.address,
                  placement_.device_tree.address);
}

size_t Platform::WriteConsoleInput(std::span<const uint8_t> bytes) {
  return serial_->Receive(bytes);
}

std::optional<uint8_t> Platform::guest_status() const {
  return guest_report_.status();
}

}  // namespace nacre::vmm::aarch64

namespace nacre::vmm {

absl::StatusOr<std::unique_ptr<Architecture>> CreateArchitecture(
    const Kvm& kvm, const MachineConfig& config) {
  return aarch64::Platform::Create(kvm, config);
}

std::vector<GuestMemory::RegionSpec> DefaultMemoryLayout(uint64_t size) {
  return {{aarch64::kRamStart, size}};
}

}  // namespace nacre::vmm
