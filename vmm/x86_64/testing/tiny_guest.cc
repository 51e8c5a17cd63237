#include "vmm/x86_64/testing/tiny_guest.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/errno_status.h"
#include "base/status_macros.h"
#include "glog/logging.h"
#include "vmm/kvm/kvm_api.h"

namespace nacre::vmm::x86_64 {
namespace {

constexpr uint32_t kIoApicInputs = 24;

absl::Status CreateIrqChip(int vm) {
  if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) != 0) {
    return ErrnoStatus("KVM_CREATE_IRQCHIP");
  }
  return absl::OkStatus();
}

}  // namespace

TinyGuest::TinyGuest(Kvm kvm, GuestMemory memory)
    : kvm_(std::move(kvm)), memory_(std::move(memory)) {}

TinyGuest::~TinyGuest() = default;

absl::StatusOr<std::unique_ptr<TinyGuest>> TinyGuest::Create() {
  ASSIGN_OR_RETURN(Kvm kvm, Kvm::Open());
  const std::array<GuestMemory::RegionSpec, 1> ram = {{{0, kMemorySize}}};
  ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::Create(ram));
  std::unique_ptr<TinyGuest> guest(
      new TinyGuest(std::move(kvm), std::move(memory)));
  RETURN_IF_ERROR(guest->Initialize());
  return guest;
}

absl::Status TinyGuest::Initialize() {
  KvmVm::Platform platform;
  platform.set_up = CreateIrqChip;
  platform.first_msi_gsi = kIoApicInputs;
  for (uint32_t pin = 0; pin < kIoApicInputs; ++pin) {
    kvm_irq_routing_entry route = {};
    route.gsi = pin;
    route.type = KVM_IRQ_ROUTING_IRQCHIP;
    route.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
    route.u.irqchip.pin = pin;
    platform.fixed_routes.push_back(route);
  }
  ASSIGN_OR_RETURN(vm_, KvmVm::Create(kvm_, std::move(platform)));
  RETURN_IF_ERROR(vm_->memory_slots().AddRam(memory_));
  return ports_.Insert(kDonePort, 1, &done_);
}

absl::Status TinyGuest::Reset() {
  vcpu_.reset();
  return vm_->Reset();
}

KvmVcpu& TinyGuest::Load(std::span<const uint8_t> code) {
  CHECK(memory_.Write(kCodeAddress, code).ok());
  if (vcpu_ == nullptr) vcpu_ = KvmVcpu::Create(*vm_, 0).value();
  kvm_sregs sregs = {};
  CHECK(vcpu_->Control(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS").ok());
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  CHECK(vcpu_->Control(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS").ok());
  kvm_regs regs = {};
  regs.rip = kCodeAddress;
  regs.rsp = kCodeAddress;
  regs.rflags = 2;
  CHECK(vcpu_->Control(KVM_SET_REGS, &regs, "KVM_SET_REGS").ok());
  return *vcpu_;
}

Outcome TinyGuest::Run() { return vcpu_->Run(ports_, mmio_, counters_); }

void PortDevice::Read(uint64_t at, std::span<uint8_t> data) {
  offset = at;
  size = data.size();
  std::memcpy(data.data(), &value, std::min(data.size(), sizeof(value)));
}

void PortDevice::Write(uint64_t at, std::span<const uint8_t> data) {
  offset = at;
  size = data.size();
  value = 0;
  std::memcpy(&value, data.data(), std::min(data.size(), sizeof(value)));
  if (on_write_) on_write_(at, value);
}

}  // namespace nacre::vmm::x86_64
