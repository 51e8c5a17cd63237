#ifndef NACRE_VMM_X86_64_PLATFORM_H_
#define NACRE_VMM_X86_64_PLATFORM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vmm/architecture.h"
#include "vmm/guest_report.h"
#include "vmm/image_file.h"
#include "vmm/image_loader.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine.h"
#include "vmm/serial.h"
#include "vmm/x86_64/kernel_image.h"
#include "vmm/x86_64/power.h"
#include "vmm/x86_64/rtc.h"

namespace nacre::vmm::x86_64 {

// A PC as far as a 64-bit Linux needs one that is told everything by ACPI:
// local APICs and an IOAPIC (in KVM), a serial port, a clock, sleep and reset
// registers, PCI by ECAM. No 8259, no 8254: time comes from kvm-clock, ticks
// from the local APIC timers.
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
           KernelImage kernel, std::optional<ImageFile> initrd_file,
           AddressRange initrd, std::vector<kvm_cpuid_entry2> cpuid,
           AddressRange pci_window64);

  const uint32_t vcpus_;
  const std::vector<GuestMemory::RegionSpec> ram_;
  const std::string command_line_;
  const int console_output_fd_;
  const ImageFile kernel_file_;
  const KernelImage kernel_;
  const std::optional<ImageFile> initrd_file_;
  const AddressRange initrd_;
  const std::vector<kvm_cpuid_entry2> cpuid_;
  const AddressRange pci_window64_;

  Rtc rtc_;
  GuestReport guest_report_;
  // From AttachDevices on.
  std::unique_ptr<Serial> serial_;
  std::unique_ptr<PowerDevice> power_;
  std::unique_ptr<I8042Device> i8042_;
};

}  // namespace nacre::vmm::x86_64

#endif  // NACRE_VMM_X86_64_PLATFORM_H_
