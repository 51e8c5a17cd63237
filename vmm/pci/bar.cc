#include "vmm/pci/bar.h"

#include "glog/logging.h"

namespace nacre::vmm {

absl::Status RegisterBar::Map(uint64_t address) {
  return bus_->Insert(address, size_, device_);
}

void RegisterBar::Unmap(uint64_t address) {
  const absl::Status status = bus_->Remove(address);
  CHECK(status.ok()) << status;
}

absl::Status MemoryBar::Map(uint64_t address) {
  return windows_->AddWindow(address, host_);
}

void MemoryBar::Unmap(uint64_t address) {
  const absl::Status status = windows_->RemoveWindow(address);
  // A hypervisor that refuses to delete a slot leaves the guest with memory
  // that is about to become somebody else's.
  CHECK(status.ok()) << status;
}

}  // namespace nacre::vmm
