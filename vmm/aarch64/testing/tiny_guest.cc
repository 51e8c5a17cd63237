#include "vmm/aarch64/testing/tiny_guest.h"

#include <pthread.h>
#include <signal.h>

#include <array>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"
#include "vmm/aarch64/vcpu_state.h"
#include "vmm/aarch64/vm_platform.h"

namespace nacre::vmm::aarch64 {

TinyGuest::TinyGuest(Kvm kvm, GuestMemory memory, uint32_t vcpus)
    : kvm_(std::move(kvm)), memory_(std::move(memory)), vcpu_count_(vcpus) {}

TinyGuest::~TinyGuest() = default;

absl::StatusOr<std::unique_ptr<TinyGuest>> TinyGuest::Create(uint32_t vcpus) {
  ASSIGN_OR_RETURN(Kvm kvm, Kvm::Open());
  const std::array<GuestMemory::RegionSpec, 1> ram = {{{kMemory, kMemorySize}}};
  ASSIGN_OR_RETURN(GuestMemory memory, GuestMemory::Create(ram));
  std::unique_ptr<TinyGuest> guest(
      new TinyGuest(std::move(kvm), std::move(memory), vcpus));
  RETURN_IF_ERROR(guest->Initialize());
  return guest;
}

absl::Status TinyGuest::Initialize() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  ASSIGN_OR_RETURN(vm_,
                   KvmVm::Create(kvm_, MakeVmPlatform(GuestAddressBits(kvm_))));
  RETURN_IF_ERROR(vm_->memory_slots().AddRam(memory_));
  return mmio_.Insert(kDone, 1, &done_);
}

absl::Status TinyGuest::Reset() {
  vcpus_.clear();
  return vm_->Reset();
}

absl::Status TinyGuest::CreateVcpus() {
  for (uint32_t i = 0; i < vcpu_count_; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<KvmVcpu> vcpu, KvmVcpu::Create(*vm_, i));
    RETURN_IF_ERROR(InitializeVcpu(*vcpu, i));
    vcpus_.push_back(std::move(vcpu));
  }
  return vm_->ConnectInterrupts();
}

void TinyGuest::Load(std::span<const uint32_t> code) {
  Write(kMemory, code);
  if (vcpus_.empty()) {
    const absl::Status status = CreateVcpus();
    CHECK(status.ok()) << status;
  }
  CHECK(SetEntry(*vcpus_[0], kMemory, 0).ok());
}

void TinyGuest::Write(uint64_t address, std::span<const uint32_t> words) {
  const std::span<const uint8_t> bytes(
      reinterpret_cast<const uint8_t*>(words.data()), words.size_bytes());
  CHECK(memory_.Write(address, bytes).ok());
}

Outcome TinyGuest::Run(const std::function<bool()>& wait_for_memory) {
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i < vcpu_count_; ++i) {
    threads.emplace_back(
        [this, i] { vcpus_[i]->Run(ports_, mmio_, counters_); });
  }
  Outcome outcome = vcpus_[0]->Run(ports_, mmio_, counters_, wait_for_memory);
  for (uint32_t i = 1; i < vcpu_count_; ++i) {
    vcpus_[i]->RequestStop();
    pthread_kill(threads[i - 1].native_handle(), SIGUSR1);
    threads[i - 1].join();
  }
  return outcome;
}

}  // namespace nacre::vmm::aarch64
