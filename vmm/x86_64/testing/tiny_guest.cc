#include "vmm/x86_64/testing/tiny_guest.h"

#include <array>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"
#include "vmm/x86_64/entry_state.h"
#include "vmm/x86_64/vm_platform.h"

namespace nacre::vmm::x86_64 {

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
  ASSIGN_OR_RETURN(vm_, KvmVm::Create(kvm_, MakeVmPlatform()));
  RETURN_IF_ERROR(vm_->memory_slots().AddRam(memory_));
  return ports_.Insert(kDonePort, 1, &done_);
}

absl::Status TinyGuest::Reset() {
  vcpu_.reset();
  return vm_->Reset();
}

KvmVcpu& TinyGuest::Load(std::span<const uint8_t> code) {
  CHECK(memory_.Write(kCodeAddress, code).ok());
  if (vcpu_ == nullptr) {
    vcpu_ = KvmVcpu::Create(*vm_, 0).value();
    CHECK(vm_->ConnectInterrupts().ok());
  }
  CHECK(EnterRealMode(*vcpu_, kCodeAddress).ok());
  return *vcpu_;
}

Outcome TinyGuest::Run() { return vcpu_->Run(ports_, mmio_, counters_); }

}  // namespace nacre::vmm::x86_64
