#ifndef NACRE_VMM_AARCH64_PLATFORM_H_
#define NACRE_VMM_AARCH64_PLATFORM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/aarch64/placement.h"
#include "vmm/aarch64/rtc.h"
#include "vmm/architecture.h"
#include "vmm/guest_report.h"
#include "vmm/image_file.h"
#include "vmm/image_loader.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine.h"
#include "vmm/serial.h"

namespace nacre::vmm::aarch64 {

// An arm64 machine that a device tree describes: GICv3 with ITS, PSCI and
// generic timers (all in KVM), a serial port, a clock, PCI by ECAM. Power-off
// and reset are PSCI calls, which end a vCPU's run.
class Platform final : public Architecture {
 public:
  static absl::StatusOr<std::unique_ptr<Platform>> Create(
      const Kvm& kvm, const MachineConfig& config);

  KvmVm::Platform KvmPlatform() const override;
  PciRanges pci_ranges() const override;
  absl::Status AttachDevices(KvmVm& vm, IoBus& ports, IoBus& mmio,
                             OutcomeSink& outcomes) override;
  void ResetDevices() override;
  std::vector<ImagePiece> images() const override;
  absl::Status WriteTables(const GuestMemory& memory) override;
  absl::Status SetUpVcpu(KvmVcpu& vcpu, uint32_t index) override;
  size_t WriteConsoleInput(std::span<const uint8_t> bytes) override;
  std::optional<uint8_t> guest_status() const override;

 private:
  Platform(const MachineConfig& config, ImageFile kernel_file,
           std::optional<ImageFile> initrd_file, BootPlacement placement,
           uint32_t address_bits, AddressRange pci_window64);

  const uint32_t vcpus_;
  const std::vector<GuestMemory::RegionSpec> ram_;
  const std::string command_line_;
  const int console_output_fd_;
  const ImageFile kernel_file_;
  const std::optional<ImageFile> initrd_file_;
  const BootPlacement placement_;
  const uint32_t address_bits_;
  const AddressRange pci_window64_;

  Rtc rtc_;
  GuestReport guest_report_;
  std::unique_ptr<Serial> serial_;  // From AttachDevices on.
};

}  // namespace nacre::vmm::aarch64

#endif  // NACRE_VMM_AARCH64_PLATFORM_H_
