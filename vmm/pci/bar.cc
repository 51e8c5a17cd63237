#include "vmm/pci/bar.h"

namespace nacre::vmm {

absl::Status RegisterBar::Map(uint64_t address) {
  return bus_->Insert(address, size_, device_);
}

absl::Status RegisterBar::Unmap(uint64_t address) {
  return bus_->Remove(address);
}

absl::Status MemoryBar::Map(uint64_t address) {
  return windows_->AddWindow(address, host_);
}

absl::Status MemoryBar::Unmap(uint64_t address) {
  return windows_->RemoveWindow(address);
}

}  // namespace nacre::vmm
